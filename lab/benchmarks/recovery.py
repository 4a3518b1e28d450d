"""What a server that dies under a full load leaves to recover: log, changed pages, and the seconds of its next start.

Run as `python -m lab.benchmarks.recovery --lab NAME` on a lab that is up. For each load: how much log there is for each
page that it changes, while the server holds pages back; then, with the options of the stack, the load until the server
is killed. The loads are those of sysbench's `oltp_write_only` and `oltp_insert`, as procedures of the server's own, so
that no client takes a part of the processor.
"""

import argparse
import re
import sys
import time
from dataclasses import dataclass

from lab import application, service
from lab.lab import Lab, wait_until
from lab.paths import LabPaths
from operations.ssh import Node

_SESSIONS = 8
_UNIT = "azure-mysql-ha-server.service"
_CLIENT = "mysql --no-defaults --user=root --batch --skip-column-names"
_BEGIN = ("delimiter //\ncreate database if not exists recovery", "use recovery")

# A row as sysbench's, with a key that no other column has to do with.
_TABLE = """
    create table t (
      id bigint unsigned not null auto_increment primary key, k int unsigned not null, c char(120) not null,
      pad char(60) not null, key (k)
    ) engine=InnoDB"""
_C = "left(repeat(sha2(rand(), 256), 2), 120)"
_VALUES = f"rand() * 4000000000, {_C}, left(sha2(rand(), 256), 60)"
_NEW_ROW = f"insert into t (k, c, pad) values ({_VALUES})"

# A transaction of oltp_write_only: a change of the key, a change of the row, and a row in the place of another.
_CHANGE = f"""
    start transaction;
    set @id = ID; update t set k = rand() * 4000000000 where id = @id;
    set @id = ID; update t set c = {_C} where id = @id;
    set @id = ID; delete from t where id = @id;
    insert ignore into t values (@id, {_VALUES});
    commit;"""

LOADS = {
    "changes of any row": _CHANGE.replace("ID", "1 + floor(rand() * @n)"),
    # As sysbench chooses: three of four times one of a hundredth of the rows.
    "changes, mostly of few rows": _CHANGE.replace("ID", "1 + floor(rand() * @n * if(rand() < 0.75, 0.01, 1))"),
    "new rows": f"{_NEW_ROW};",
}

_WRITING = (
    "innodb_adaptive_flushing",
    "innodb_io_capacity",
    "innodb_io_capacity_max",
    "innodb_max_dirty_pages_pct",
    "innodb_max_dirty_pages_pct_lwm",
)
"""By which the server decides when a page is written."""


@dataclass(frozen=True)
class Left:
    """What has not been written to the tables yet."""

    log_kib: int
    pages: int


class Server:
    """The server of a lab, told and asked as its root."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def sql(self, *statements: str) -> str:
        text = "".join(f"{statement}//\n" for statement in (*_BEGIN, *statements))
        return self._node.run(_CLIENT, text=text, timeout=600)

    def prepare(self, rows: int) -> None:
        """Make the table, of as many rows at least."""
        self.sql("drop table if exists t", _TABLE, _NEW_ROW)
        while int(self.sql("select count(*) from t")) < rows:
            self.sql(f"insert into t (k, c, pad) select {_VALUES} from t")

    def begin(self, load: str, seconds: int) -> None:
        """Begin a load, which ends by itself."""
        self.sql(
            "drop procedure if exists work",
            "create procedure work(seconds int) begin"
            " declare its_end datetime default sysdate() + interval seconds second;"
            " set @n = (select max(id) from t);"
            f" while sysdate() < its_end do {load} end while; end",
        )
        call = f"{_CLIENT} --execute 'call recovery.work({seconds})'"
        self._node.run(f"for each in {{1..{_SESSIONS}}}; do {call} >/dev/null 2>&1 </dev/null & done")

    def left(self) -> Left:
        status = self.sql("show engine innodb status")
        names = ("Log sequence number", "Last checkpoint at", "Modified db pages")
        number, checkpoint, pages = (int(re.findall(rf"{name} +(\d+)", status)[0]) for name in names)
        return Left((number - checkpoint) >> 10, pages)

    def writing(self) -> dict[str, str]:
        values = self.sql(*(f"select @@global.{name}" for name in _WRITING)).split()
        return dict(zip(_WRITING, values, strict=True))

    def set_writing(self, values: dict[str, str]) -> None:
        self.sql(*(f"set global {name} = {value}" for name, value in values.items()))

    def write_all(self) -> None:
        """Have nearly all changed pages written."""
        self.set_writing({"innodb_max_dirty_pages_pct_lwm": "0", "innodb_max_dirty_pages_pct": "0"})
        wait_until("the end of writing", lambda: self.left().pages < 100, 300)

    def kill(self, lab: Lab) -> None:
        """Kill its process, and wait for the next."""
        before = self._main_pid()
        self._node.run(f"kill -KILL {before}")
        wait_until("its next start", lambda: self._main_pid() not in (before, "0") and application.answers(lab), 300)

    def _main_pid(self) -> str:
        return self._node.run(f"systemctl show --property=MainPID --value {_UNIT}").strip()

    def start_seconds(self) -> float:
        """Return how long its last start took, from its process to the word that it serves."""
        names = ("ExecMainStartTimestampMonotonic", "ActiveEnterTimestampMonotonic")
        begin, end = (int(self._node.run(f"systemctl show --property={name} --value {_UNIT}")) for name in names)
        return (end - begin) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m lab.benchmarks.recovery", description=__doc__)
    parser.add_argument("--lab", default="lab", help="name of the lab (default: lab)")
    parser.add_argument("--rows", type=int, default=500_000, help="rows of the table at least (default: 500000)")
    parser.add_argument("--seconds", type=int, default=60, help="length of each load (default: 60)")
    arguments = parser.parse_args()
    lab = Lab(LabPaths(arguments.lab))
    server = Server(service.serving(lab))
    server.prepare(arguments.rows)
    heads = ("load", "log a page, KiB", "log at the kill, MiB", "changed pages", "start, s")
    sys.stdout.write(f"| {' | '.join(heads)} |\n| --- |{' ---: |' * 4}\n")
    for name, load in LOADS.items():
        share = _log_a_page(server, load)
        server.begin(load, arguments.seconds + 60)
        time.sleep(arguments.seconds)
        left = server.left()
        server.kill(lab)
        row = (name, f"{share:.1f}", f"{left.log_kib / 1024:.1f}", str(left.pages), f"{server.start_seconds():.1f}")
        sys.stdout.write(f"| {' | '.join(row)} |\n")
        sys.stdout.flush()
    server.sql("drop database recovery")


def _log_a_page(server: Server, load: str) -> float:
    """Return how many KiB of log there are for each page that a load changes, from one that is not changed yet."""
    own = server.writing()
    server.write_all()
    hold = {"innodb_max_dirty_pages_pct": "99", "innodb_max_dirty_pages_pct_lwm": "0", "innodb_adaptive_flushing": "0"}
    server.set_writing(hold)
    before = server.left()
    server.begin(load, 8)
    time.sleep(10)
    after = server.left()
    server.write_all()
    server.set_writing(own)
    return (after.log_kib - before.log_kib) / (after.pages - before.pages)


if __name__ == "__main__":
    main()
