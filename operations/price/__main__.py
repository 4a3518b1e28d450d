"""Tells what a previewed stack costs: `python -m operations.price EVENT_LOG`, a log of `pulumi preview --event-log`."""

import sys
from pathlib import Path

from operations import plan
from operations.price import month

if __name__ == "__main__":
    print(month.text_of(plan.read(Path(sys.argv[1]))))
