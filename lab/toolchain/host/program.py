"""Run a program by Pulumi's own exec script, and let it end with the language host, even when that is killed."""

import ctypes
import runpy
import signal
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1  # of linux/prctl.h

if __name__ == "__main__":
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    sys.argv[0] = str(Path(__file__).parent / "host" / "pulumi-language-python-exec")
    runpy.run_path(sys.argv[0], run_name="__main__")
