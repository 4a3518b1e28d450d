"""What a restore makes of blobs that are not what was brought. A program of the test takes the base; no server runs."""

import contextlib
import getpass
import hashlib
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Generator, Iterator
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from configs.backup import replay_options
from configs.backup.blobs import Base, Log
from configs.backup.chain import Chain
from configs.backup.documents import Details, from_json, to_json
from configs.backup.moments import from_said
from configs.backup.packed import Failed
from configs.backup.plan import Plan, Refusal
from tests.support.nodes_store import stand_in

H = "20261101T000000Z"
TEN = from_said("2026-11-02T10:00:00Z")
EMPTY_LOG = b"\xfebin"


@pytest.fixture(scope="module")
def restore() -> Iterator[Any]:
    with stand_in():
        from configs.backup import restore as module_of_restore

        yield module_of_restore
    sys.modules.pop("configs.backup.restore", None)


def packed(content: bytes) -> bytes:
    return subprocess.run(["zstd", "-q", "-c"], input=content, capture_output=True, check=True).stdout


class Blobs:
    """A store with two bases and a log after each."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.bases = [self._base(0), self._base(1)]
        sha = hashlib.sha256(EMPTY_LOG).hexdigest()[:16]
        self.logs = [Log(H, n, TEN + timedelta(hours=n), TEN + timedelta(hours=n + 1), sha) for n in (0, 1)]
        for log in self.logs:
            self.blobs[log.name] = packed(EMPTY_LOG)

    def _base(self, hours: int) -> Base:
        begun = TEN + timedelta(hours=hours)
        base = Base(H, begun + timedelta(minutes=1), begun, hours, 4)
        data = packed(f"base of {hours}".encode())
        details = Details(
            cluster="mysql", server="mariadb", version="10.11.19-MariaDB", kind="mbstream", begun="", ended="",
            history=H, log=hours, position=4, bytes=len(data), sha256=hashlib.sha256(data).hexdigest(), unpacked=9,
        )  # fmt: skip
        self.blobs[base.data] = data
        self.blobs[base.name] = to_json(details).encode()
        return base

    def chain(self) -> Chain:
        return Chain(self.blobs)

    def read(self, name: str) -> str:
        self.asked.append(name)
        return self.blobs[name].decode()

    def pieces(self, name: str) -> Iterator[bytes]:
        yield from (self.blobs[name][:5], self.blobs[name][5:])


@pytest.fixture
def bench(restore: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A restore whose base goes into a file, and whose logs are fetched only."""
    configuration = SimpleNamespace(
        user=getpass.getuser(), unpack=['cat >"$directory/data"'], server="mariadb", socket="", client="",
        series=lambda: "10.11",
    )  # fmt: skip
    blobs = Blobs()

    def chown(*_: object) -> None:
        pass

    @contextlib.contextmanager
    def serving(_: object) -> Generator[None]:
        yield

    def replay(its: Any, plan: Plan) -> None:
        for log in plan.logs:
            its._fetch(log)

    monkeypatch.setattr(shutil, "chown", chown)
    monkeypatch.setattr(restore.Restore, "_serving", serving)
    monkeypatch.setattr(restore.Restore, "_replay", replay)

    def run() -> tuple[Base, str]:
        base = restore.fill(restore.Restore(configuration, blobs, tmp_path / "data"), blobs.chain(), None)
        return base, (tmp_path / "data/data").read_text()

    return SimpleNamespace(blobs=blobs, run=run, folder=tmp_path, configuration=configuration, kind=restore.Restore)


def test_last_base_is_taken(bench: Any) -> None:
    assert bench.run() == (bench.blobs.bases[1], "base of 1")
    assert [path.name for path in bench.folder.iterdir()] == ["data"]


@pytest.mark.parametrize("damage", [b"", b"nonsense", b"cut"])
def test_damaged_base_is_replaced_by_the_one_before(
    bench: Any, damage: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    name = bench.blobs.bases[1].data
    bench.blobs.blobs[name] = bench.blobs.blobs[name][:-2] if damage == b"cut" else damage
    assert bench.run() == (bench.blobs.bases[0], "base of 0")
    assert (
        f"the base of 2026-11-02T11:00:00Z cannot be used: the base {name} is damaged: it is not what was uploaded;"
        " trying the base before it" in capsys.readouterr().out
    )


def test_other_data_that_unpack_are_not_taken_for_the_bases(bench: Any) -> None:
    bench.blobs.blobs[bench.blobs.bases[1].data] = packed(b"base of 7")
    assert bench.run()[0] == bench.blobs.bases[0]


@pytest.fixture
def prove(bench: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A proof whose server has three tables."""

    def check(*_: object) -> int:
        return 3

    with stand_in():
        from configs.backup import verify

        monkeypatch.setattr(verify, "PLACE", bench.folder)
        monkeypatch.setattr(verify, "check", check)
        monkeypatch.setattr(verify, "Restore", bench.kind)
        yield lambda: verify.prove(bench.configuration, bench.blobs, lambda: "now")
    sys.modules.pop("configs.backup.verify", None)


def test_proof_restores_the_last_base(bench: Any, prove: Any) -> None:
    proof = prove()
    assert (proof.ok, proof.base, proof.to, proof.tables) == (True, "20261102T110000Z", "20261102T115959Z", 3)
    assert bench.blobs.asked == [bench.blobs.bases[1].name], "once"


def test_proof_that_takes_another_base_has_failed(bench: Any, prove: Any) -> None:
    """It says what the matter is with the last one, and whether the one before it can be used."""
    bench.blobs.blobs[bench.blobs.bases[1].data] = b"nonsense"
    proof = prove()
    assert (proof.ok, proof.base, proof.tables) == (False, "20261102T100000Z", 3)
    assert proof.why.startswith("the last base, of 2026-11-02T11:00:00Z, cannot be used: ")
    assert proof.why.endswith("it is not what was uploaded; the one before it, of 2026-11-02T10:00:00Z, can")


def test_proof_without_a_base_that_can_be_used(bench: Any, prove: Any) -> None:
    for base in bench.blobs.bases:
        bench.blobs.blobs[base.data] = b"nonsense"
    proof = prove()
    assert (proof.ok, proof.base, proof.tables) == (False, "20261102T110000Z", 0)
    assert "; nor can the one before it: " in proof.why


@pytest.fixture
def rejected(bench: Any, monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """Numbers of logs from which no replay succeeds."""
    failing: set[int] = set()

    def replay(_: object, plan: Plan) -> None:
        if plan.logs[0].number in failing:
            raise Failed("the server rejects the logs: ERROR 1060")

    monkeypatch.setattr(bench.kind, "_replay", replay)
    return failing


def test_base_whose_logs_are_rejected_is_replaced_by_the_one_before(
    bench: Any, prove: Any, rejected: set[int], capsys: pytest.CaptureFixture[str]
) -> None:
    rejected.add(1)
    assert bench.run() == (bench.blobs.bases[0], "base of 0")
    told = "the base of 2026-11-02T11:00:00Z cannot be used: the server rejects the logs: ERROR 1060; trying"
    assert told in capsys.readouterr().out
    proof = prove()
    assert (proof.ok, proof.base) == (False, "20261102T100000Z")
    assert "ERROR 1060; the one before it, of 2026-11-02T10:00:00Z, can" in proof.why


def test_proof_ends_before_the_file_system_is_full(bench: Any, prove: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also while it waits for something; and that says nothing of the backup."""
    from configs.backup import verify

    room = iter([100 << 30, 3 << 30])

    def disk_usage(_: Path) -> SimpleNamespace:
        return SimpleNamespace(free=next(room, 1 << 30))

    def replay(*_: object) -> None:
        subprocess.run(["sleep", "60"], check=False)

    monkeypatch.setattr(verify, "_LOOK_SECONDS", 0.05)
    monkeypatch.setattr(shutil, "disk_usage", disk_usage)
    monkeypatch.setattr(bench.kind, "_replay", replay)
    before = signal.getsignal(signal.SIGUSR1)
    proof = prove()
    assert (proof.ok, proof.undecided, proof.seconds < 30) == (False, True, True)
    assert "has less than 2048 MiB left; mount a larger disk there" in proof.why
    assert signal.getsignal(signal.SIGUSR1) == before


def test_proof_for_which_there_is_no_room_is_not_begun(bench: Any, prove: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The room is that of the data's files, where they were larger than what the base has of them."""
    name = bench.blobs.bases[1].name
    told = from_json(Details, bench.blobs.blobs[name].decode())
    bench.blobs.blobs[name] = to_json(replace(told, data=100 << 30)).encode()

    def disk_usage(_: Path) -> SimpleNamespace:
        return SimpleNamespace(free=120 << 30)

    monkeypatch.setattr(shutil, "disk_usage", disk_usage)
    proof = prove()
    assert (proof.ok, proof.undecided) == (False, True)
    assert "has 122880 MiB, the base alone 102400 MiB" in proof.why


def test_restore_that_fails_with_every_base_says_why(bench: Any, rejected: set[int]) -> None:
    rejected |= {0, 1}
    with pytest.raises(Failed, match="ERROR 1060"):
        bench.run()


def test_base_whose_taker_ends_early_is_not_called_damaged(bench: Any) -> None:
    """Of more than the pipes hold, which is what a full disk leaves of a real one."""
    base = bench.blobs.bases[1]
    data = packed(random.Random(1).randbytes(3 << 20))
    details = from_json(Details, bench.blobs.read(base.name))
    bench.blobs.blobs[base.data] = data
    bench.blobs.blobs[base.name] = to_json(
        replace(details, bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
    ).encode()
    bench.configuration.unpack = ["head -c 100 >/dev/null; echo 'No space left on device' >&2; exit 1"]
    with pytest.raises(Failed, match="rejects the base: No space left on device"):
        bench.run()


def test_no_base_that_is_whole_is_refused(bench: Any) -> None:
    for base in bench.blobs.bases:
        bench.blobs.blobs[base.data] = b"nonsense"
    with pytest.raises(Refusal, match="every base of the backup is damaged"):
        bench.run()


def test_damaged_details_count_as_a_damaged_base(bench: Any) -> None:
    bench.blobs.blobs[bench.blobs.bases[1].name] = b"{}"
    assert bench.run()[0] == bench.blobs.bases[0]


@pytest.mark.parametrize("content", [b"", b"nonsense", packed(b"\xfebin and more")])
def test_damaged_log_is_refused(bench: Any, content: bytes) -> None:
    bench.blobs.blobs[bench.blobs.logs[1].name] = content
    with pytest.raises(Refusal, match=f"log 000001 of history {H} is damaged"):
        bench.run()


def test_only_the_last_log_is_cut(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """One before it may have later times, of a machine whose clock was ahead: it is replayed to its end."""
    told: list[Any] = []

    def end(_: Path, to: Any, last: Any) -> int:
        told.append((to, last))
        return 4

    monkeypatch.setattr("configs.backup.binary_log.end", end)
    logs, base = bench.blobs.logs, bench.blobs.bases[0]
    restore = bench.kind(bench.configuration, bench.blobs, bench.folder / "data")
    (bench.folder / "data.restore").mkdir()
    for log in logs:
        restore._replay_log(Plan(base, TEN, True, tuple(logs)), log, None)
    assert told == [(None, logs[0].last), (TEN, logs[1].last)]


@pytest.mark.parametrize(("name", "fails"), [("PIPE", False), ("SEGV", True), ("KILL", True)])
def test_log_whose_reader_dies_is_not_passed_over(
    bench: Any, monkeypatch: pytest.MonkeyPatch, name: str, fails: bool
) -> None:
    """By a signal too; but for that which it gets where the client has ended, whose own exit code tells."""

    def end(*_: Any) -> int:
        return 100

    monkeypatch.setattr("configs.backup.binary_log.end", end)
    bench.configuration.log_reader = f"bash -c 'kill -{name} $$' --"
    log, base = bench.blobs.logs[1], bench.blobs.bases[0]
    restore = bench.kind(bench.configuration, bench.blobs, bench.folder / "data")
    (bench.folder / "data.restore").mkdir()
    with pytest.raises(Failed, match="cannot be read") if fails else contextlib.nullcontext():
        restore._replay_log(Plan(base, TEN, True, (log,)), log, None)


def test_server_of_another_series_is_refused(bench: Any) -> None:
    bench.configuration.series = lambda: "11.8"
    with pytest.raises(Refusal, match=r"of mariadb 10\.11\.19-MariaDB, but the new cluster would have mariadb 11\.8"):
        bench.run()


def test_details_stay_as_they_are_written() -> None:
    """They are read for as long as there are backups."""
    assert list(asdict(from_json(Details, Blobs().read(Blobs().bases[0].name)))) == [
        *("cluster", "server", "version", "kind", "begun", "ended", "history", "log", "position", "bytes", "sha256"),
        *("unpacked", "format", "data", "warnings"),
    ]


def test_of_the_option_file_a_replay_keeps_what_the_data_depend_on() -> None:
    """Not what only loaded system tables make valid."""
    words = [
        *("--default_time_zone=Europe/Berlin", "--validate_password.length=12", "--ssl-ca=/etc/mysql/ca.pem"),
        *("--lower-case-table-names=1", "--innodb_page_size=8k", "--loose_innodb-strict_mode=OFF"),
        *("--skip-innodb-file-per-table", "--innodb_buffer_pool_size=4G", "value"),
    ]
    assert replay_options.kept(words) == words[3:8]
