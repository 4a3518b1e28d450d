"""Where the blobs of the lab's storage accounts are: in Azurite, one process of which does for all of them.

Its accounts are fixed when it starts, so each of the lab's is one of its slots. It wants a token, and does not know
what that allows: blob_service.py, in front of it, does, and asks in its own name.
"""

import asyncio
import contextlib
import os
import secrets
import ssl
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from yarl import URL

from lab import azurite
from lab.cloud.errors import not_in_lab
from lab.cloud.login import ENGINE
from lab.cloud.on_demand import OnDemand
from lab.cloud.tokens import STORAGE, Tokens

SLOTS = 8
"""How many storage accounts there can be."""

_PORT = 10000
_READY_SECONDS = 30
_HEADERS = {"x-ms-version": "2025-05-05"}


class BlobStore(OnDemand):
    """The emulator, started when it is first needed; it ends with the cloud, and its data stay.

    Args:
        folder: where its data are.
        certificates: the cloud's folder of certificates, whose server's is good for localhost.
        port: on 127.0.0.1.
    """

    def __init__(self, folder: Path, certificates: Path, tokens: Tokens, port: int = _PORT) -> None:
        super().__init__()
        self._folder = folder
        self._certificates = certificates
        self._tokens = tokens
        self._port = port

    async def make_container(self, slot: int, container: str) -> None:
        """Make a container; one that is there is left as it is."""
        await self._done("PUT", slot, f"{container}?restype=container", 201, 409)

    async def remove_container(self, slot: int, container: str) -> None:
        """Delete a container with all that is in it; one that is not there is fine."""
        await self._done("DELETE", slot, f"{container}?restype=container", 202, 404)

    async def spoil(self, slot: int, path: str, content: bytes | None) -> None:
        """Write over a blob, whatever protects it; delete it for None.

        Args:
            path: as for `properties`.
        """
        if content is None:
            await self._done("DELETE", slot, path, 202)
        else:
            await self._done("PUT", slot, path, 201, body=content)

    async def properties(self, slot: int, path: str) -> Mapping[str, str] | None:
        """Return the headers that describe a blob; None where there is none.

        Args:
            path: CONTAINER/BLOB, encoded as in a URL.
        """
        async with self.send("HEAD", slot, path) as answer:
            return answer.headers if answer.status == 200 else None

    @asynccontextmanager
    async def send(
        self,
        method: str,
        slot: int,
        path: str,
        *,
        headers: Mapping[str, str] = _HEADERS,
        body: aiohttp.StreamReader | bytes | None = None,
    ) -> AsyncGenerator[aiohttp.ClientResponse]:
        """Send a request, with a token of this cloud's.

        Args:
            path: what follows the account's name, with the query, encoded as in a URL.
        """
        session = await self._started()
        url = URL(f"https://127.0.0.1:{self._port}/{_name(slot)}/{path}", encoded=True)
        own = {"Authorization": f"Bearer {self._tokens.issue(ENGINE, STORAGE)}"}
        async with session.request(
            method, url, headers={**headers, **own}, data=body, server_hostname="localhost", allow_redirects=False
        ) as answer:
            yield answer

    async def _done(self, method: str, slot: int, path: str, *good: int, body: bytes | None = None) -> None:
        headers = {**_HEADERS, **({"x-ms-blob-type": "BlockBlob"} if body is not None else {})}
        async with self.send(method, slot, path, headers=headers, body=body) as answer:
            if answer.status not in good:
                raise RuntimeError(f"Azurite answers {answer.status} to {method} {path}: {await answer.text()}")

    async def _start(self) -> None:
        program = azurite.installed()
        if program is None:
            raise not_in_lab("Azurite, which keeps the lab's blobs, is not installed: python -m lab set-up")
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # One that a killed cloud has left ends by itself, and then its port is free.
        await self._wait_for_port(taken=False)
        accounts = ";".join(f"{_name(slot)}:{secrets.token_hex(32)}" for slot in range(SLOTS))
        with (self._folder / "azurite.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *("setpriv", "--pdeathsig", "TERM", "--", str(azurite.node()), str(program)),
                *("--location", str(self._folder), "--blobHost", "127.0.0.1", "--blobPort", str(self._port)),
                *("--cert", str(self._certificates / "server.pem"), "--key", str(self._certificates / "server.key")),
                *("--oauth", "basic", "--disableProductStyleUrl", "--skipApiVersionCheck", "--disableTelemetry"),
                "--silent",
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "AZURITE_ACCOUNTS": accounts},
            )
        await self._wait_for_port(taken=True)
        trust = ssl.create_default_context(cafile=self._certificates / "ca.pem")
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=trust, limit=0),
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
        )

    async def _wait_for_port(self, *, taken: bool) -> None:
        for _ in range(_READY_SECONDS * 10):
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self._port)
            except OSError:
                is_taken = False
            else:
                is_taken = True
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
            if is_taken == taken:
                return
            if taken and self._process is not None and self._process.returncode is not None:
                break
            await asyncio.sleep(0.1)
        state = "does not start" if taken else "is still there, of another cloud"
        raise RuntimeError(f"Azurite {state}; its log is {self._folder / 'azurite.log'}")


def _name(slot: int) -> str:
    return f"slot{slot}"
