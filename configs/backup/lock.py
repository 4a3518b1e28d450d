"""The lock with which a dump begins: for an instant it waits for all statements, and whoever comes then waits for it.

A table that a statement uses by then answers nobody else until that statement has ended, even if the dump is given up.
"""

import subprocess
import time
from collections.abc import Callable

from .packed import Failed
from .server import Server, ServerError

# A statement that has run so long may run for hours: no dump is begun behind one.
_LONG_SECONDS = 5

# For so long its end is waited for.
_PATIENCE_SECONDS = 300
_ASK_SECONDS = 5

# So long the dump's lock may wait, for a statement that has begun in the same instant.
_LOCK_SECONDS = 5

# No statement's text is asked for: it may hold data.
_LONGEST = f"""
select user, time from information_schema.processlist
where time >= {_LONG_SECONDS} and info is not null and id <> connection_id()
and command not in ('Sleep', 'Daemon') and command not like 'Binlog Dump%'
and user not in ('system user', 'event_scheduler', 'unauthenticated user')
order by time desc limit 1
"""


def wait_for_statements(server: Server, sleep: Callable[[float], None] = time.sleep) -> None:
    """Wait until no statement runs behind which everybody would wait.

    Raises:
        Failed: one has not ended for minutes.
        ServerError: see there.
    """
    until = time.monotonic() + _PATIENCE_SECONDS
    while found := server.ask(_LONGEST):
        user, seconds = found[0]
        if time.monotonic() > until:
            raise Failed(f"a statement of {user} has been running for {seconds} s: others would wait behind it")
        sleep(_ASK_SECONDS)


def guard(server: Server, last_before: int, dump: "subprocess.Popen[bytes]", has_begun: Callable[[], bool]) -> None:
    """Give the dump up where its lock waits for somebody's long statement, and everybody for its lock.

    Without its client alone the server would go on waiting.

    Args:
        last_before: a session's number; those after it may be the dump's.
        has_begun: whether the dump has had its lock.
    """
    waits = (
        f"select id from information_schema.processlist where info like 'FLUSH %TABLES%' and user = 'root'"
        f" and id > {last_before} and id <> connection_id() and time >= {_LOCK_SECONDS}"
    )
    while not has_begun() and dump.poll() is None:
        try:
            for row in server.ask(waits):
                server.ask(f"kill {int(row[0])}")
                dump.kill()
        except ServerError:
            pass  # asked again
        time.sleep(1)
