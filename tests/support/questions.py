"""Asks the questions of `make check` of a lab cloud without a lab."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from lab.cloud.tokens import SUBSCRIPTION
from operations.arm import Json, Refusal
from operations.check import check
from operations.check.asked import Asked
from operations.check.questions import ssh
from operations.plan import Plan
from operations.price import retail
from tests.support import cloud_bench
from tests.support.cloud_bench import Bench

Arrange = Callable[[Bench], Awaitable[None]]


class BenchReader:
    """Reads the lab cloud of a bench, for whom a token speaks."""

    def __init__(self, bench: Bench, token: str | None = None) -> None:
        self._bench, self._token, self._loop = bench, token, asyncio.get_running_loop()
        self.subscription = f"/subscriptions/{SUBSCRIPTION}"

    def get(self, path: str, api_version: str, query: Mapping[str, str] | None = None) -> Json:
        """As of `Reader.get`."""
        further = "".join(f"&{name}={value}" for name, value in (query or {}).items())
        return self._ask("GET", path, None, api_version, further)

    def post(self, path: str, api_version: str, body: Json) -> Json:
        """As of `Reader.post`."""
        return self._ask("POST", path, body, api_version, "")

    def _ask(self, method: str, path: str, body: Any, version: str, query: str) -> Json:
        asked = self._bench.ask(method, path, body, token=self._token, query=query, version=version)
        status, answer, _ = asyncio.run_coroutine_threadsafe(asked, self._loop).result()
        if status >= 400:
            raise Refusal(status, answer["error"]["message"])
        return {"value": answer} if isinstance(answer, list) else answer


async def nothing(bench: Bench) -> None:
    """Arrange nothing."""


def ask(
    tmp_path: Path, plan: Plan, arrange: Arrange = nothing, reader: Callable[[Bench], BenchReader] = BenchReader
) -> list[check.Line]:
    """Ask all questions of a fresh lab cloud, which is its own price list too."""

    async def answers() -> list[check.Line]:
        async with cloud_bench.running(tmp_path) as bench:
            await arrange(bench)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(retail, "URL", str(bench.web.make_url("/api/retail/prices")))
                return await asyncio.to_thread(check.ask, Asked(plan, reader(bench)))

    return asyncio.run(answers())


def wrong(lines: list[check.Line], verdict: str = "no") -> list[str]:
    """Return question, what it is about and text of what is not well."""
    return [f"{one.question}: {one.answer.about}: {one.answer.text}" for one in lines if one.answer.verdict == verdict]


def comes_from(monkeypatch: pytest.MonkeyPatch, address: str | None) -> None:
    """Let this machine's connections come from an address; None for no route."""

    def source(towards: str) -> IPv4Address | None:
        return IPv4Address(address) if address else None

    monkeypatch.setattr(ssh, "source_towards", source)
