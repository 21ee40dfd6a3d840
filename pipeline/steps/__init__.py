"""The steps, one file each: a frozen dataclass whose fields are the keys of its YAML, and how it is carried out.

Every module in this folder is imported here, so that a new file with a class under `@kind("step", NAME)` is all that a new
technique needs. `base.py` says what a step must have, `store.py` keeps what steps made, `execute.py` runs an optimization,
`shared/` has what several steps use. Not here: the mathematics of a technique (`training/`, `models/`, `runtimes/`).
"""

import importlib
import pkgutil

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
