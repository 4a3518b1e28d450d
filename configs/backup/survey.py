"""What of the data a dump of MySQL cannot take, or only so: looked for before it begins."""

import re
import subprocess
from dataclasses import dataclass

from .server import Server, ServerError

_OWN = "('mysql', 'sys', 'information_schema', 'performance_schema')"
_VIEWS = f"select table_schema, table_name from information_schema.views where table_schema not in {_OWN}"
_OTHER_TABLES = (
    "select count(*), coalesce(min(concat(table_schema, '.', table_name)), '') from information_schema.tables"
    f" where table_type = 'BASE TABLE' and engine <> 'InnoDB' and table_schema not in {_OWN}"
)


@dataclass(frozen=True)
class Survey:
    """What was found.

    Args:
        broken: views that are not valid, by database and name, since what they read is not there any more; one of them
            would end the whole dump.
        others: how many tables are not InnoDB's, whose rows no transaction keeps as they were.
        other: one of those.
    """

    broken: tuple[tuple[str, str], ...]
    others: int
    other: str

    @property
    def options(self) -> list[str]:
        """By which the dump leaves those views out."""
        return [f"--ignore-table={database}.{name}" for database, name in self.broken]

    @property
    def stand_ins(self) -> str:
        """SQL of views in their place: the log may go on with a statement that drops or alters one."""
        return "".join(
            f"CREATE VIEW {_quoted(database)}.{_quoted(name)} AS SELECT 1 AS `not valid when it was backed up`;\n"
            for database, name in self.broken
        )

    @property
    def warnings(self) -> list[str]:
        found: list[str] = []
        if self.broken:
            which = ", ".join(".".join(each) for each in self.broken[:3]) + (", …" if len(self.broken) > 3 else "")
            found.append(f"without views that are not valid: {which}")
        if self.others:
            found.append(
                f"{self.others} tables are not InnoDB, such as {self.other}: their rows may not fit the others"
            )
        return found


def look(server: Server) -> Survey:
    """Look, with what the dump itself asks of each view.

    Raises:
        ServerError: see there.
    """
    views = [(database, name) for database, name in server.ask(_VIEWS)]
    asks = "".join(f"SHOW FIELDS FROM {_quoted(database)}.{_quoted(name)};\n" for database, name in views)
    run = subprocess.run(
        server.client("--force", "--connect-timeout=10"), input=asks, capture_output=True, text=True, check=False
    )
    wrong = [int(line) for line in re.findall(r"^ERROR \d+ \(\w+\) at line (\d+):", run.stderr, re.M)]
    if run.returncode and not wrong:
        raise ServerError(run.stderr.strip()[-300:])
    others, other = server.ask(_OTHER_TABLES)[0]
    return Survey(tuple(views[line - 1] for line in wrong), int(others), other)


def _quoted(name: str) -> str:
    return f"`{name.replace('`', '``')}`"
