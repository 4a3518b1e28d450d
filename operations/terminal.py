"""Programs that a person speaks with."""

import signal
import subprocess
import sys
from collections.abc import Sequence

from operations.error import OperationError


def hand_over(command: Sequence[str], descriptors: Sequence[int] = ()) -> int:
    """Run a program on the caller's terminal, to which an interrupt is the program's; return its exit code.

    Args:
        descriptors: further ones than the standard ones that it gets.
    """
    sys.stdout.flush()
    before = signal.signal(signal.SIGINT, lambda number, frame: None)
    try:
        code = subprocess.run(command, pass_fds=descriptors, check=False).returncode
    except FileNotFoundError as error:
        raise OperationError(f"there is no program {error.filename}") from None
    finally:
        signal.signal(signal.SIGINT, before)
    return code if code >= 0 else 128 - code
