"""A user without a name and a home, for tests: only root can be another user."""

import os
import shutil
import sys

NOBODY = 54321  # a user id without a name
AS_NOBODY = [  # root's own files can be read, but not written
    "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--inh-caps=+dac_read_search",
    "--ambient-caps=+dac_read_search",
]  # fmt: skip
POSSIBLE = sys.platform == "linux" and os.getuid() == 0 and shutil.which("setpriv") is not None
