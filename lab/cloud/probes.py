"""Health probes: is a backend's port open?"""

import asyncio
import contextlib
import logging
from collections.abc import Callable

from lab.cloud.addresses import PLATFORM
from lab.cloud.plan import Probe

LOG = logging.getLogger("cloud.probes")


class Prober:
    """Probes one port for ever."""

    def __init__(
        self, probe: Probe, admitted: Callable[[Probe], bool], changed: Callable[[], None], source: str = PLATFORM
    ) -> None:
        self.probe = probe
        self._admitted = admitted
        self.healthy = False
        self._changed = changed
        self._source = source
        self._last = False
        self._in_a_row = 0
        self._task = asyncio.create_task(self._run(), name=f"probe {probe.address}:{probe.port}")

    def close(self) -> None:
        self._task.cancel()

    async def _run(self) -> None:
        while True:
            begin = asyncio.get_running_loop().time()
            self.judge(await self._succeeds())
            spent = asyncio.get_running_loop().time() - begin
            await asyncio.sleep(max(0.0, self.probe.interval - spent))

    def judge(self, success: bool) -> None:
        """Take one result into account: `threshold` equal ones in a row change the verdict."""
        self._in_a_row = self._in_a_row + 1 if success == self._last else 1
        self._last = success
        if success != self.healthy and self._in_a_row >= self.probe.threshold:
            self.healthy = success
            LOG.info("%s:%d is %s", self.probe.address, self.probe.port, "up" if success else "down")
            self._changed()

    async def _succeeds(self) -> bool:
        """Open a connection and close it, with a proper end, as a TCP probe does."""
        if not self._admitted(self.probe):
            return False
        try:
            async with asyncio.timeout(self.probe.interval):
                _, writer = await asyncio.open_connection(
                    str(self.probe.address), self.probe.port, local_addr=(self._source, 0)
                )
        except (OSError, TimeoutError):
            return False
        writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(1):
                await writer.wait_closed()
        return True
