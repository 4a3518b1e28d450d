"""What `make backups` shows of a storage account, and how `make verify-backup` has a node prove it."""

import dataclasses
import json
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from components.azure import stored_backup
from components.azure.blobs import UnreadableError
from components.azure.stored_backup import StoredBackup
from configs.backup.blobs import CONTAINER, SEEN, STATE_CONTAINER
from configs.backup.documents import Seen, Verified, to_json
from configs.backup.moments import stamp
from operations import backups, verify_backup
from operations.backup import listing
from operations.cli import Cli
from operations.error import OperationError
from operations.ssh import Node
from operations.ssh_agent import Agent
from operations.stack import Stack
from operations.status import asking, facts
from tests.support.backups import BASE, HISTORY, VERIFIED_ONCE, Remembered, details, logs, stored
from tests.unit.test_status import Said, node, pacemaker, proved, said

NOW = datetime(2026, 11, 27, 14, 0, 43, tzinfo=UTC)


def test_what_can_be_restored() -> None:
    found = listing.of(stored(), NOW)
    assert found.as_text().splitlines() == [
        "account   stmysqlprod, 3.1 KiB",
        "restore   2026-11-27T02:10:00Z to 2026-11-27T13:59:59Z, to any second",
        "base      2026-11-27T02:10:00Z, mysql 8.4.6, 4 bytes, made in 10 minutes",
        "log       720 files, complete until 2026-11-27T14:00:00Z, 43 s ago",
        "proof     2026-11-22T04:00:00Z: restored until 2026-11-22T03:59:00Z, 5.0 GiB in 421 s; 37 tables are whole",
    ]
    assert found.alarms == []
    written = json.loads(json.dumps(found.as_json()))
    assert written["windows"] == [["2026-11-27T02:10:00Z", "2026-11-27T13:59:59Z"]]
    assert written["bases"][0]["version"] == "8.4.6"


def test_a_log_that_arrives_while_it_is_read_is_not_missing() -> None:
    """Shipping adds it, and then says so."""
    *before, last = logs()
    blobs = {BASE.data: b"data", BASE.name: details().encode()} | {log.name: b"log." for log in before}
    state: dict[str, bytes] = {}

    class Arriving(Remembered):
        def sizes(self, container: str) -> dict[str, int]:
            return self._then_it_arrives(super().sizes(container))

        def content(self, container: str, name: str) -> bytes | None:
            return self._then_it_arrives(super().content(container, name))

        def _then_it_arrives(self, answer: Any) -> Any:
            blobs[last.name] = b"log."
            state[SEEN] = to_json(Seen(stamp(last.last), HISTORY, last.number, stamp(last.last))).encode()
            return answer

    assert stored_backup.of(Arriving("stmysqlprod", {CONTAINER: blobs, STATE_CONTAINER: state})).chain.gaps() == []


def test_what_the_last_base_warns_of() -> None:
    found = listing.of(stored(said=details(warnings=["without views that are not valid: shop.v"])), NOW)
    assert "warning   the last base: without views that are not valid: shop.v" in found.as_text().splitlines()
    assert found.alarms == []


def after(**span: int) -> datetime:
    return NOW + timedelta(**span)


ALARMS: list[tuple[str, Callable[[], StoredBackup], datetime, list[str]]] = [
    (
        "a gap",
        lambda: stored(300),
        NOW,
        [
            "log 000300 of history 20261101T090000Z is missing (2026-11-27T06:19:00Z to 2026-11-27T06:20:00Z): nothing"
            " of that time can be restored. docs/operations/backup.md"
        ],
    ),
    ("a late log", stored, after(minutes=6), ["the backup is complete until 2026-11-27T14:00:00Z, and"]),
    (
        "a late base",
        stored,
        after(hours=15),
        [
            "the backup is complete until",
            "the backup has had no new base for 26 hours: the last one is from 2026",
        ],
    ),
    (
        "no proof",
        lambda: stored(verified=None),
        NOW,
        ["no base of the backup has been proved by a restore for 26 days"],
    ),
    (
        "a failed proof",
        lambda: stored(verified=dataclasses.replace(VERIFIED_ONCE, ok=False, why="shop.orders is corrupt")),
        NOW,
        ["the backup's last proof, a restore at 2026-11-22T04:00:00Z, has failed (shop.orders is corrupt). docs/op"],
    ),
    (
        "a proof that had no room",
        lambda: stored(verified=dataclasses.replace(VERIFIED_ONCE, ok=False, undecided=True, why="no room")),
        NOW,
        ["the backup could not be proved at 2026-11-22T04:00:00Z (no room). docs/operations/backup.md"],
    ),
    (
        "no base",
        lambda: stored(base=None),
        NOW,
        ["the backup has had no new base for 26 days: there is none yet"],
    ),
    (
        "a base that cannot be read",
        lambda: stored(said=details(format=2)),
        NOW,
        ["base/20261101T090000Z/20261127T020000Z/base_20261127T021000Z_000041_1234.json in storage account"],
    ),
]


@pytest.mark.parametrize(("backup", "now", "expected"), [row[1:] for row in ALARMS], ids=[row[0] for row in ALARMS])
def test_what_is_not_as_it_should_be(backup: Callable[[], StoredBackup], now: datetime, expected: list[str]) -> None:
    found = listing.of(backup(), now).alarms
    assert len(found) == len(expected), found
    assert all(alarm.startswith(text) for alarm, text in zip(found, expected, strict=True)), found


def test_the_exit_code_says_whether_there_is_an_alarm(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def read(account: str) -> StoredBackup:
        return stored()

    monkeypatch.setattr(stored_backup, "read", read)
    assert listing.main(["stmysqlprod", "--json"]) == 1, "that was last written to long ago"
    assert json.loads(capsys.readouterr().out)["alarms"]


def test_what_cannot_be_read_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def read(account: str) -> StoredBackup:
        raise UnreadableError(f"you may not read storage account {account}")

    monkeypatch.setattr(stored_backup, "read", read)
    assert listing.main(["shop"]) == 1
    assert capsys.readouterr().err == "backups: you may not read storage account shop\n"


def stack(outputs: dict[str, Any], **of_cli: Any) -> Stack:
    class Known(Stack):
        @property
        def outputs(self) -> dict[str, Any]:  # pyright: ignore[reportIncompatibleVariableOverride]
            return outputs

        @property
        def nodes(self) -> list[Node]:
            return [Node(name, "ssh x@y", Agent(Path("/"))) for name in ("one", "two")]

    return Known(Cli("prod", **of_cli))


def test_it_is_read_from_where_the_stack_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lab's storage is in the lab's network, and who reads it is in the environment of its CLI."""
    ran: list[tuple[list[str], Any]] = []

    def run(command: list[str], **more: Any) -> subprocess.CompletedProcess[str]:
        ran.append((command, more["env"]))
        return subprocess.CompletedProcess(command, 1)

    monkeypatch.setattr(subprocess, "run", run)
    known = stack({"backup": "/subscriptions/x/storageAccounts/stshop"}, prefix=("inside",), environment={"A": "b"})
    backups_options = type("Options", (), {"json": True})
    assert backups.COMMAND.run(known, backups_options) == 1  # pyright: ignore[reportArgumentType]
    ((command, environment),) = ran
    assert (command[0], command[2:], environment) == (
        "inside",
        ["-m", "operations.backup.listing", "stshop", "--json"],
        {"A": "b"},
    )


@pytest.mark.parametrize("outputs", [{}, {"backup": "OFF (backup: false)"}])
def test_without_backups(outputs: dict[str, Any]) -> None:
    with pytest.raises(
        OperationError, match="stack prod has no backups: set backup to true, then run pulumi up --stack prod"
    ):
        backups.account(stack(outputs))


# --- the proof


def prove(monkeypatch: pytest.MonkeyPatch, before: Said, after: Said, unreached: str = "") -> tuple[Verified, str]:
    """Prove; return the result, and what was run."""
    answers = [before, after]
    ran: list[str] = []

    def ask(nodes: Any, witness: Any) -> facts.Facts:
        now = answers.pop(0)
        return facts.read({name: "" if name == unreached else json.dumps(told) for name, told in now.items()})

    def hand_over(command: list[str]) -> int:
        ran.append(command[-1])
        return 0

    monkeypatch.setattr(asking, "ask", ask)
    monkeypatch.setattr(verify_backup, "hand_over", hand_over)
    found = verify_backup.prove(stack({}))
    return found, ran[0]


def test_the_idle_node_proves(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    after = said()
    node("two", proof=proved("20261128T150659Z"))(after)
    found, ran = prove(monkeypatch, said(), after)
    assert found.at == "20261128T150659Z"
    assert "systemctl start --no-block azure-mysql-ha-verify-backup.service" in ran
    assert capsys.readouterr().out.startswith("two restores the last base")


def test_without_a_result_there_is_no_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OperationError, match="there is no result from two yet"):
        prove(monkeypatch, said(), said())


def test_it_is_not_done_where_the_service_is(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OperationError, match="the node that does not serve cannot be reached"):
        prove(monkeypatch, said(), said(), unreached="two")
    nobody = said()
    pacemaker(('id="mysql-server" role="Started"', 'id="mysql-server" role="Starting"'))(nobody)
    with pytest.raises(OperationError, match="no node serves"):
        prove(monkeypatch, nobody, nobody)
