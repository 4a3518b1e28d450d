"""Somebody drops a table; a second stack begins with the backup of the second before.

DRBD has dropped it on both nodes.  The binary log has every change with its second, so the night's base and the logs
after it, up to the second before, make a cluster in which the table exists, with every row that was acknowledged until
then, and none after.  Meanwhile the cluster itself goes on serving, and is not touched.
"""

import contextlib
import math
import time

from drills import rescue
from drills.drill import Drill
from drills.proof import restored
from drills.proof.audit import Expectation
from drills.target import connect

ORDER = 220
EXPECTED = Expectation(fencings=(0, 0), moves=0)
NEEDS_LAB = "a second stack is made and destroyed, which takes time and costs money there (docs/operations/restore.md)"
NEEDS_BACKUP = True
ROWS = 100


def run(drill: Drill) -> None:
    with drill.target.inside(), contextlib.closing(drill.target.connect()) as connection:
        with connection.cursor() as cursor:
            cursor.execute("drop table if exists drill_dropped")
            cursor.execute("create table drill_dropped (id int primary key)")
            cursor.executemany("insert into drill_dropped values (%s)", [(number,) for number in range(ROWS)])
        # In the middle of a second, so that no clock has another one.
        time.sleep(3.5 - time.time() % 1)
        with connection.cursor() as cursor:
            at = drill.fault("a table is dropped")
            cursor.execute("drop table drill_dropped")
    to = math.floor(at) - 1
    rescue.wait_for_backup(drill, at + 1)
    with rescue.restored(drill, rescue.second(to)) as stack:
        for wrong in restored.until(drill.seen.writer.writes, rescue.rows(drill, stack), to + 1):
            drill.check(False, f"restored to {rescue.second(to)}: {wrong}")
        with drill.target.inside(), contextlib.closing(connect(stack)) as connection, connection.cursor() as cursor:
            cursor.execute("select count(*) from drill_dropped")
            count = cursor.fetchone()
        drill.check(count == (ROWS,), f"of the dropped table's {ROWS} rows the second stack has {count}")
    drill.fault_end("the second stack is gone")
