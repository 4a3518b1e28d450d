"""Run the plug-in: the engine starts this, and reads the port from standard output."""

import asyncio
import logging
import os
import pickle
import sys
from pathlib import Path

from .plugin import version
from .provider import Provider
from .server import serve


def main() -> None:
    """Serve until the engine is gone.

    The first argument is the file with the resource types' description, which `install` has written. The engine's
    address, which follows, is not needed.
    """
    logging.getLogger().addHandler(logging.NullHandler())  # what a library has to say is in the errors
    types = pickle.loads(Path(sys.argv[1]).read_bytes())
    asyncio.run(serve(Provider(version(), types)))
    # Threads that still wait for an answer of ARM must not keep the process.
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
