"""Shows how a stack's cluster is: `python -m operations.status --stack STACK`."""

import sys

from operations.status.status import COMMAND

if __name__ == "__main__":
    sys.exit(COMMAND.main())
