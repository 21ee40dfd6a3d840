"""The fork server imports this module last: jobs inherit the description of the machine, and need not collect it.

What was imported is set aside from the garbage collector. Each training collects garbage when it ends, and would look at it.
"""

import gc

from pipeline.system.machine import machine

machine()
gc.collect()
gc.freeze()
