"""The steps, one file each: a frozen dataclass whose fields are the keys of its YAML, with a method `make`.

Every module in this directory is imported here, so a technique is one new file with a class under `@kind("step", NAME)`.
`store.py` keeps the stages, `execute.py` runs an optimization, `shared/` has what several steps use. Not here: what a step
must have (`config.Step`), and the mathematics of a technique (`training/`, `models/`, `runtimes/`).
"""

import importlib
import pkgutil

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
