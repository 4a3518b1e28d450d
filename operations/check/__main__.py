"""Asks the subscription whether a stack can be there: `python -m operations.check --stack STACK`."""

import sys

from operations.check.check import main

if __name__ == "__main__":
    sys.exit(main())
