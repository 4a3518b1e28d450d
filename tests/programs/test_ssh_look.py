"""A look at SSH before a script is sent: who cannot reach it is told so, and by which setting."""

import asyncio
import re
import socket
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from components import ssh_look
from components.ssh_look import SilentError, SshLook

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh_look, "_ONE_LOOK_SECONDS", 0.2)
    monkeypatch.setattr(ssh_look, "_PAUSE_SECONDS", 0.05)
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)


def look(port: int, told: list[str]) -> None:
    """Look for two scripts at once; raise what the one of them is told that is told last."""

    async def both() -> None:
        own = SshLook("mysql-1", told.append, tell_after=0.1, give_up_after=0.5)
        first, second = await asyncio.gather(*(own.wait("127.0.0.1", port) for _ in range(2)), return_exceptions=True)
        assert isinstance(first, SilentError)
        if second:
            raise second

    asyncio.run(both())


@contextmanager
def free_port() -> Generator[int]:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@contextmanager
def silent() -> Generator[int]:
    """A server that takes connections, as the kernel does for it, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@contextmanager
def dropping() -> Generator[int]:
    """A server whose queue is full: its kernel drops what comes."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        port = server.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        time.sleep(0.1)
        yield port
        for one in waiting:
            one.close()


@pytest.mark.parametrize(
    ("server", "why"),
    [
        (free_port, "Connection refused"),
        (silent, "it accepts the connection and says nothing"),
        (dropping, "no answer"),
    ],
)
def test_who_gets_no_answer_is_told_and_no_script_is_sent(
    server: Callable[[], AbstractContextManager[int]], why: str
) -> None:
    told: list[str] = []
    with server() as port, pytest.raises(SilentError) as error:
        look(port, told)
    said = rf"no SSH to mysql-1 at 127\.0\.0\.1:{port} for \d+ s \({why}\): is this machine in adminCidrs, and .* up\?"
    assert re.fullmatch(said, str(error.value))
    assert len(told) == 1 and re.fullmatch(said, told[0])


async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
    await writer.drain()
    writer.close()


async def test_a_machine_that_starts_is_waited_for_and_looked_at_once() -> None:
    told: list[str] = []
    looks = 0

    async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal looks
        looks += 1
        await greet(reader, writer)

    with free_port() as port:
        pass
    own = SshLook("mysql-1", told.append, tell_after=10, give_up_after=10)
    scripts = asyncio.gather(own.wait("127.0.0.1", port), own.wait("127.0.0.1", port))
    await asyncio.sleep(0.3)
    async with await asyncio.start_server(count, "127.0.0.1", port):
        await scripts
        await own.wait("127.0.0.1", port)
    assert (told, looks) == ([], 1)


async def test_what_closes_or_speaks_otherwise_is_no_ssh() -> None:
    async def refuse(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"Exceeded MaxStartups\r\n")
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(SilentError, match="closed at once"):
            await SshLook("mysql-1", lambda line: None, tell_after=0, give_up_after=0).wait("127.0.0.1", port)


def test_an_agent_that_has_gone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
    with pytest.raises(SilentError, match=r"SSH_AUTH_SOCK names .*agent, but no agent answers there: unset it"):
        look(1, [])
