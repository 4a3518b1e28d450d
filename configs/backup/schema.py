"""Whether the schema stays as it is while a dump is made.

A dump has what there is at its beginning, but each table's definition as it is when it comes to it: with another name
of a column, for example. A restore would make the change a second time, by the log, and fail. The log tells of each.
"""

import contextlib
import re
import subprocess
import threading
import time
from collections.abc import Callable

from . import binary_log, ship
from .configuration import Configuration
from .packed import Failed
from .server import Server, ServerError

_LOOK_SECONDS = 20

_BLANK = rb"(?:\s|/[*](?!!).*?[*]/|/[*]!\d*|[*]/|--[^\n]*\n|#[^\n]*\n)*"
_CHANGE = re.compile(_BLANK + rb"(CREATE|ALTER|DROP|RENAME|TRUNCATE)\b" + _BLANK + rb"([A-Z]+)", re.I | re.S)

# Of these the dump has rows, as they were at its beginning; or nothing at all.
_NO_CHANGE = frozenset((b"USER", b"ROLE", b"TEMPORARY"))

# What is new by then is not in a dump (seen with MySQL 9.7), but for a part of a table.
_OF_TABLE = frozenset((b"INDEX", b"UNIQUE", b"FULLTEXT", b"SPATIAL"))


def change(statement: bytes) -> str:
    """Return the first words of a statement that changes the schema, which hold no data; empty for any other one."""
    found = _CHANGE.match(statement)
    if not found or found[2].upper() in _NO_CHANGE:
        return ""
    if found[1].upper() == b"CREATE" and found[2].upper() not in _OF_TABLE:
        return ""
    if found[1].upper() == b"TRUNCATE":
        return "TRUNCATE TABLE"
    return f"{found[1].decode().upper()} {found[2].decode().upper()}"


class Watch:
    """A look at the binary log from a position on, again and again, as logs are removed an hour after.

    Args:
        begin: returns number and position of where it begins; None where that is not known yet.
    """

    def __init__(
        self, configuration: Configuration, server: Server, begin: Callable[[], tuple[int, int] | None]
    ) -> None:
        self._configuration, self._server, self._begin = configuration, server, begin
        self._at: tuple[int, int] | None = None
        self._looking = threading.Lock()
        self.found = ""

    def look(self) -> str:
        """Look at what is there by now; return the first words of a statement that has changed the schema.

        Raises:
            Failed: a log has gone before it was looked at.
            ServerError, OSError: see there.
        """
        with self._looking:
            self._at = self._at or self._begin()
            if not self._at:
                return ""
            log, position = self._at
            files = [file for file in ship.files(self._configuration, self._server) if file.number >= log]
            if not files or files[0].number != log:
                raise Failed(f"log {log:06} was removed before the base knew that nothing in it changed the schema")
            for file in files:
                position = position if file.number == log else binary_log.START
                try:
                    for end, statement in binary_log.statements(file.path, position):
                        position = end
                        self.found = self.found or change(statement)
                except binary_log.NoBinaryLog as error:
                    raise Failed(str(error)) from error
                self._at = file.number, position
            return self.found

    def keep_on(self, dump: "subprocess.Popen[bytes]") -> None:
        """Look until a dump has ended; end it where the schema has changed."""
        while dump.poll() is None:
            # The last look, of whoever makes the base, tells what fails here.
            with contextlib.suppress(Failed, ServerError, OSError):
                if self.look():
                    dump.kill()
            time.sleep(_LOOK_SECONDS)
