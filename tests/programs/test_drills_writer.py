"""The writer of drills, against connections that fail; and what is pure of the stack on Azure."""

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pymysql
import pytest

from drills import azure
from lab.lab import wait_until
from lab.writer import Connection, Writer


class FakeServer:
    """A table; each statement fails or does what is next in the plan, and then all goes well."""

    def __init__(self, plan: Sequence[str]) -> None:
        self.plan = list(plan)
        self.rows: list[int] = []
        self.connections = 0

    def connect(self) -> Connection:
        """Open a connection."""
        if self.plan and self.plan[0] == "refuse":
            self.plan.pop(0)
            raise pymysql.err.OperationalError(2003, "refused")
        self.connections += 1
        return cast(Connection, FakeConnection(self))


class FakeConnection:
    """A connection to the fake server."""

    def __init__(self, server: FakeServer) -> None:
        self._server = server
        self.closed = False

    def cursor(self) -> contextlib.nullcontext["FakeConnection"]:
        """Return something with `execute`."""
        return contextlib.nullcontext(self)

    def execute(self, statement: str, arguments: tuple[int]) -> None:
        """Take a row; lose it, or the answer, if so planned."""
        assert not self.closed, "a connection that failed is not used again"
        step = self._server.plan.pop(0) if self._server.plan else "take"
        if step != "lose":
            assert arguments[0] not in self._server.rows, "a number is never used twice"
            self._server.rows.append(arguments[0])
        if step != "take":
            self.closed = True
            raise TimeoutError("no answer")

    def close(self) -> None:
        """End it."""
        self.closed = True


def test_the_writer_keeps_what_was_acknowledged_and_no_more(tmp_path: Path) -> None:
    server = FakeServer(["take", "lose", "refuse", "take", "no answer"])
    writer = Writer(server.connect, contextlib.nullcontext, tmp_path / "writes.jsonl", pace=1000)
    writer.start()
    wait_until("rows", lambda: len(writer.writes) >= 8, 10)
    writer.stop()

    lines: list[dict[str, Any]] = [json.loads(line) for line in (tmp_path / "writes.jsonl").read_text().splitlines()]
    assert [line["sequence"] for line in lines] == list(range(1, len(lines) + 1))
    assert [line["error"] for line in lines[:6]] == [
        None,
        "TimeoutError: no answer",
        "OperationalError: (2003, 'refused')",
        None,
        "TimeoutError: no answer",
        None,
    ]
    taken = [line["sequence"] for line in lines if line["acknowledged"] is not None]
    assert set(taken) <= set(server.rows) and set(server.rows) - set(taken) == {5}
    assert all(line["sent"] <= line["acknowledged"] for line in lines if line["acknowledged"] is not None)
    assert writer.last_acknowledged == lines[-1]["acknowledged"]
    assert server.connections == 3


def test_the_writer_keeps_its_pace(tmp_path: Path) -> None:
    server = FakeServer([])
    writer = Writer(server.connect, contextlib.nullcontext, tmp_path / "writes.jsonl", pace=50)
    writer.start()
    wait_until("rows", lambda: len(writer.writes) >= 20, 10)
    writer.stop()
    assert writer.writes[19].sent - writer.writes[0].sent >= 0.95 * 19 / 50


@pytest.mark.parametrize(
    ("codes", "on"),
    [
        (["ProvisioningState/succeeded", "PowerState/running"], True),
        (["ProvisioningState/succeeded", "PowerState/stopping"], True),
        (["ProvisioningState/succeeded", "PowerState/stopped"], False),
        (["PowerState/deallocated"], False),
        ([], True),
    ],
)
def test_only_what_is_surely_off_is_off(codes: list[str], on: bool) -> None:
    assert azure.is_on(codes) is on
