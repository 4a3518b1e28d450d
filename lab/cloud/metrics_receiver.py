"""Where the samples of the lab's workspace are: in a Prometheus of the distribution's, which takes what is written.

It lets everybody in, on 127.0.0.1; metrics_ingestion.py, in front of it, does not. A test asks it as it would ask the
workspace.
"""

import asyncio
import shutil
from collections.abc import Mapping
from pathlib import Path

import aiohttp

from lab.cloud.errors import not_in_lab
from lab.cloud.on_demand import OnDemand

ADDRESS = "127.0.0.1:9091"
"""Within the lab's namespace, beside that of lab/prometheus.py."""

_READY_SECONDS = 60


class MetricsReceiver(OnDemand):
    """The Prometheus, started when it is first needed; it ends with the cloud, and its data stay.

    Args:
        folder: where its data are.
        address: where it listens.
    """

    def __init__(self, folder: Path, address: str = ADDRESS) -> None:
        super().__init__()
        self._folder = folder
        self._address = address

    async def write(self, headers: Mapping[str, str], body: bytes) -> tuple[int, str]:
        """Hand over what somebody writes; return the status of the answer, and its text.

        Args:
            headers: that say how the body is packed.
            body: packed samples.
        """
        session = await self._started()
        async with session.post(f"http://{self._address}/api/v1/write", headers=headers, data=body) as answer:
            return answer.status, await answer.text()

    async def _start(self) -> None:
        program = shutil.which("prometheus")
        if program is None:
            raise not_in_lab("Prometheus, which takes the lab's metrics, is not installed: apt-get install prometheus")
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        configuration = self._folder / "prometheus.yml"
        configuration.write_text("{}\n")
        with (self._folder / "prometheus.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *("setpriv", "--pdeathsig", "TERM", "--", program, f"--config.file={configuration}"),
                *(f"--storage.tsdb.path={self._folder / 'data'}", f"--web.listen-address={self._address}"),
                "--web.enable-remote-write-receiver",
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60), auto_decompress=False)
        for _ in range(_READY_SECONDS * 10):
            if await self._is_ready(self._session):
                return
            if self._process.returncode is not None:
                break
            await asyncio.sleep(0.1)
        await self.close()
        raise RuntimeError(f"Prometheus does not start; its log is {self._folder / 'prometheus.log'}")

    async def _is_ready(self, session: aiohttp.ClientSession) -> bool:
        try:
            async with session.get(f"http://{self._address}/-/ready") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False
