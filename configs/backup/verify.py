"""Prove the backup by a restore, on the node that does not serve: the last base and all logs, and each table checked.

The server that it starts is reached by nobody. As soon as this node is to serve, all of it ends at once.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from .blobs import VERIFIED
from .configuration import Configuration, load
from .documents import Verified, to_json
from .files import size_of, write_whole
from .moments import stamp
from .packed import Failed
from .plan import Refusal, choose
from .restore import Damaged, Restore
from .server import Server, ServerError, end_when_mounted
from .store import Store, StoreError

PLACE = Path("/var/lib/mysql-files/azure-mysql-ha-proof")
"""On the system disk. AppArmor's profile of MySQL's server lets it work there."""

NOTE = Path("/var/lib/azure-mysql-ha/verified.json")
"""What came of it, for `operations/status`."""

# What of the data does not go into memory is read again; more is not taken from a node that may have to serve.
_OPTIONS = ("--innodb-buffer-pool-size=256M",)


def check(configuration: Configuration, server: Server) -> int:
    """Check all tables of a server; return how many there are.

    Raises:
        Failed: one of them is not well.
    """
    command = [*configuration.check.split(), *server.options]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [line.strip() for line in run.stdout.splitlines() if line.strip()]
    wrong = [line for line in lines if line.lower().startswith(("error", "warning"))]
    if run.returncode or wrong:
        raise Failed(f"tables have errors: {' / '.join(wrong[:3]) or run.stderr.strip()[-300:]}")
    return sum(1 for line in lines if line.endswith(" OK"))


def prove(configuration: Configuration, store: Store, now: Callable[[], str]) -> Verified:
    """Restore, check, and return what came of it."""
    begin = time.monotonic()
    base = to = why = ""
    tables = size = 0
    try:
        plan = choose(store.chain(), None)
        base, to = stamp(plan.base.begun), stamp(plan.to)
        restore = Restore(configuration, store, PLACE / "data", *_OPTIONS)
        details = restore.details(plan.base)
        _check_room(details.unpacked)
        with restore.run(plan, details):
            tables = check(configuration, restore.server)
            size = size_of(PLACE / "data")
    except (Refusal, Damaged, Failed, ServerError, StoreError, OSError, ValueError) as error:
        why = str(error)
    return Verified(now(), base, to, not why, int(time.monotonic() - begin), size, tables, why)


def _check_room(needed: int) -> None:
    free = shutil.disk_usage(PLACE).free
    # Logs, and what the server adds.
    if free < needed * 1.3 + (2 << 30):
        raise Failed(
            f"no room for the proof: {PLACE} has {free >> 20} MiB, the base alone {needed >> 20} MiB;"
            " mount a larger disk there"
        )


def main() -> int:
    configuration = load()
    if os.path.ismount(configuration.mount_point):
        return 0
    end_when_mounted(configuration.mount_point)
    shutil.rmtree(PLACE, ignore_errors=True)
    PLACE.mkdir(parents=True, exist_ok=True)
    store = Store(configuration.account, patient=True)
    proof = prove(configuration, store, lambda: stamp(datetime.now(UTC)))
    shutil.rmtree(PLACE, ignore_errors=True)
    NOTE.parent.mkdir(exist_ok=True)
    write_whole(NOTE, to_json(proof))
    print(to_json(proof), end="")
    try:
        store.write_state(VERIFIED, to_json(proof))
    except StoreError as error:
        print(error, file=sys.stderr)
        return 1
    return 0 if proof.ok else 1


if __name__ == "__main__":
    sys.exit(main())
