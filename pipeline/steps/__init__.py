"""The steps, one file each: a frozen dataclass whose fields are the keys of its YAML, and how it is carried out.

Every module in this folder is imported here, so that a new file with a class under `@kind("step", NAME)` is all that a new
technique needs. `base.py` has what a step is given (`Context`) and what it must have (`StepKind`), `trained.py` what those
that train share, `distilling.py` what those that learn from a teacher do, `agreement.py` what those that quantize do.
`transfer.py` is a step that no one names: it goes behind a teacher.
"""

import importlib
import pkgutil

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
