"""Lists the backup in a storage account: `python -m operations.backup.listing ACCOUNT`.

It asks neither the stack nor its machines, so it also says what can be restored when these are gone.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from components.azure import stored_backup
from components.azure.blobs import UnreadableError
from components.azure.stored_backup import StoredBackup
from configs.backup.blobs import LOGS, Base
from configs.backup.documents import Details, Verified
from configs.backup.moments import from_stamp, said
from operations.backup import late
from operations.backup.state import Backup
from operations.command import exit_code_of
from operations.error import OperationError

PAGE = "docs/operations/backup.md"

_UNITS = (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("bytes", 1))

_AT_ONCE = 8
"""So many bases are asked for at the same time."""


@dataclass(frozen=True)
class Listing:
    """A backup.

    Args:
        now: when it was read. This and other times are as in `restoreTo`.
        bytes: of all blobs.
        windows: from when to when one can restore, to any second.
        bases: what each says of itself; in order.
        logs: how many there are.
        complete_to: what was committed before is there; None where that is not known.
        proof: the last one; None where there has been none.
        alarms: what is not as it should be.
    """

    account: str
    now: str
    bytes: int
    windows: list[tuple[str, str]]
    bases: list[Details]
    logs: int
    complete_to: str | None
    proof: Verified | None
    alarms: list[str]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def as_text(self) -> str:
        lines = [f"account   {self.account}, {_size(self.bytes)}"]
        lines += [f"restore   {begin} to {end}, to any second" for begin, end in self.windows] or ["restore   NOTHING"]
        lines += [_base_line(base) for base in self.bases]
        until = ""
        if self.complete_to:
            now = datetime.fromisoformat(self.now)
            at = datetime.fromisoformat(self.complete_to)
            until = f", complete until {self.complete_to}, {late.ago(at, now)}"
        lines.append(f"log       {self.logs} files{until}")
        if self.bases:
            lines += [f"warning   the last base: {warning}" for warning in self.bases[-1].warnings]
        lines.append(proof_line(self.proof))
        lines += [f"ALARM     {alarm}" for alarm in self.alarms]
        return "\n".join(lines)


def of(backup: StoredBackup, now: datetime) -> Listing:
    """List a backup.

    Args:
        now: to the second.
    """
    chain = backup.chain
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        answers = list(pool.map(partial(_details, backup), chain.bases))
    state = _state(backup, now)
    return Listing(
        account=backup.account,
        now=said(now),
        bytes=sum(backup.sizes.values()),
        windows=[(said(window.begin), said(window.end)) for window in chain.windows()],
        bases=[answer for answer in answers if isinstance(answer, Details)],
        logs=sum(1 for name in backup.sizes if name.startswith(LOGS)),
        complete_to=said(state.complete_to) if state and state.complete_to else None,
        proof=backup.verified,
        alarms=[
            f"{alarm}. {PAGE}"
            for alarm in (
                *_alarms(backup, state),
                *(answer for answer in answers if isinstance(answer, str)),
            )
        ],
    )


def _details(backup: StoredBackup, base: Base) -> Details | str:
    try:
        return backup.details(base)
    except UnreadableError as error:
        return str(error)


def _state(backup: StoredBackup, now: datetime) -> Backup | None:
    """Return how far the last history is, as far as what lies there tells; None where nothing lies there."""
    chain = backup.chain
    if not chain.histories:
        return None
    last = chain.histories[-1]
    ends = [log.last for log in chain.logs if log.history == last]
    if chain.seen and chain.seen.history == last:
        ends.append(from_stamp(chain.seen.complete_to))
    bases = [base for base in chain.bases if base.history == last]
    return Backup(
        asked=now,
        since=from_stamp(last),
        complete_to=max(ends, default=None),
        base=bases[-1].ended if bases else None,
        base_took=bases[-1].ended - bases[-1].begun if bases else timedelta(),
    )


def _alarms(backup: StoredBackup, state: Backup | None) -> Iterator[str]:
    if state is None:
        yield "it is empty"
        return
    for gap in backup.chain.gaps():
        yield f"{gap}: nothing of that time can be restored"
    yield from late.log_is_late(state)
    yield from late.base_is_late(state)
    if backup.verified and not backup.verified.ok:
        yield from late.proof_fails(backup.verified)
    else:
        yield from late.proof_is_late(state, backup.verified)


def _base_line(base: Details) -> str:
    begun, ended = from_stamp(base.begun), from_stamp(base.ended)
    took = late.long(ended - begun)
    return f"base      {said(ended)}, {base.server} {base.version}, {_size(base.bytes)}, made in {took}"


def proof_line(proof: Verified | None) -> str:
    """Return what came of a proof."""
    if proof is None:
        return "proof     none yet"
    at = said(from_stamp(proof.at))
    if proof.undecided:
        return f"proof     {at}: NOT DONE: {proof.why}"
    if not proof.ok:
        return f"proof     {at}: FAILED: {proof.why}"
    took = f"{_size(proof.bytes)} in {proof.seconds} s"
    return f"proof     {at}: restored until {said(from_stamp(proof.to))}, {took}; {proof.tables} tables are whole"


def _size(count: int) -> str:
    unit, one = next((unit, one) for unit, one in _UNITS if count >= one or one == 1)
    return f"{count / one:,.1f} {unit}" if one > 1 else f"{count} {unit}"


def main(arguments: Sequence[str] | None = None) -> int:
    """List; return 1 if there is an alarm."""
    parser = argparse.ArgumentParser(prog="python -m operations.backup.listing", description=__doc__)
    parser.add_argument("account", help="the storage account's name")
    parser.add_argument("--json", action="store_true", help="for programs")
    options = parser.parse_args(arguments)

    def run() -> int:
        try:
            backup = stored_backup.read(options.account)
        except UnreadableError as error:
            raise OperationError(str(error)) from None
        found = of(backup, datetime.now(UTC))
        print(json.dumps(found.as_json(), indent=2) if options.json else found.as_text())
        return 1 if found.alarms else 0

    return exit_code_of("backups", run)


if __name__ == "__main__":
    sys.exit(main())
