"""Opens a shell on one of a stack's machines: `python -m operations.ssh --stack STACK NODE`."""

import sys

from operations.ssh.shell import COMMAND

if __name__ == "__main__":
    sys.exit(COMMAND.main())
