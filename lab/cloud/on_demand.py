"""A real program that plays a part of Azure's behind the cloud's own listener."""

import asyncio
from abc import ABC, abstractmethod

import aiohttp

_END_SECONDS = 10


class OnDemand(ABC):
    """The program, started when it is first needed; it ends with the cloud, and its data stay."""

    def __init__(self) -> None:
        self._starting = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None
        self._session: aiohttp.ClientSession | None = None

    @abstractmethod
    async def _start(self) -> None:
        """Start the program and open a session to it."""

    async def _started(self) -> aiohttp.ClientSession:
        async with self._starting:
            if self._session is None or self._process is None or self._process.returncode is not None:
                await self.close()
                await self._start()
            assert self._session is not None
            return self._session

    async def close(self) -> None:
        """End it; it writes down what it has first."""
        if self._session is not None:
            await self._session.close()
            self._session = None
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), _END_SECONDS)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        self._process = None
