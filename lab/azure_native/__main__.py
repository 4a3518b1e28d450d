"""Run the plug-in: the engine starts this, and reads the port from standard output."""

import asyncio
import os
import sys

from .plugin import version
from .provider import Provider
from .server import serve


def main() -> None:
    """Serve until the engine is gone. The engine's address, its only argument, is not needed."""
    asyncio.run(serve(Provider(version())))
    # Threads that still wait for an answer of ARM must not keep the process.
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
