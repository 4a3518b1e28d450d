"""Nobody waits where nobody has to; and the lab cloud of a test."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from azure.core.pipeline.policies import RetryPolicy

from components.azure import blobs
from tests.support import cloud_bench
from tests.support.quick_keys import quick_keys
from tests.support.stack_configuration import throw_away_secrets


@pytest.fixture(autouse=True)
def keys_of_the_shelf() -> Iterator[None]:
    """Let each test make the same keys, which are none of a stack's throw-away ones."""
    throw_away_secrets()
    with quick_keys():
        yield


@pytest.fixture(autouse=True)
def asked_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Microsoft's clients ask again as often as ever, and without a pause in between."""
    monkeypatch.setattr(RetryPolicy, "BACKOFF_MAX", 0.01)
    monkeypatch.setattr(blobs, "_RETRY_SECONDS", 0)


@pytest.fixture
def loop() -> Iterator[asyncio.Runner]:
    """The event loop of an `async def` test, for fixtures that need it too."""
    with asyncio.Runner() as made:
        yield made


@pytest.fixture
def bench(loop: asyncio.Runner, tmp_path: Path) -> Iterator[cloud_bench.Bench]:
    """A fresh lab cloud without a lab."""
    stack = AsyncExitStack()
    yield loop.run(stack.enter_async_context(cloud_bench.running(tmp_path)))
    loop.run(stack.aclose())
