"""The machine that serves freezes as a whole while Azure's API cannot be reached, and continues when its peer serves.

Its watchdog is software (softdog), and stands still with it: this is what a watchdog by software cannot prevent.  The
peer counts it as fenced and serves.  What guards the rows then is DRBD: a write is acknowledged only when both have it,
and the peer has left.  So the frozen machine, when it continues, acknowledges no row any more.  It still answers reads
on connections that were open, with old data, until its watchdog ends it, which has run out by then.  How long that
is, is measured.
"""

import contextlib
import time

import pymysql

from drills.drill import Drill
from drills.proof.alerts import NOBODY_SERVES, NODE_LOST, Telling
from drills.proof.audit import Expectation

ORDER = 154
# Frozen, it still is as it was: by that, two have DRBD promoted and a server until it is gone.
EXPECTED = Expectation(fencings=(0, 1), at_once=2, telling=Telling(NODE_LOST, also=NOBODY_SERVES))
NEEDS_LAB = "Azure offers no way to stop a machine's clock"
NEEDS_WATCHDOG = True
SERVED_WITHIN_SECONDS = 60.0
"""Longest time from the watchdog's bound until rows are acknowledged again; how soon, `arm-unreachable` asks."""
STALE_SECONDS = 20.0
"""Longest time for which a machine that continues may answer reads."""


def run(drill: Drill) -> None:
    bound, frozen = drill.target.watchdog_bound(), drill.serving
    with drill.target.inside():
        open_before = drill.target.connect()
    with contextlib.closing(open_before):
        drill.event("Azure's API cannot be reached from the machines any more")
        drill.lab.reach_api(False)
        at = drill.fault("the machine stands still (SIGSTOP)", frozen)
        drill.lab.freeze(frozen)
        drill.wait_served(drill.idle, at, bound + SERVED_WITHIN_SECONDS)
        drill.pause(10, "one node goes on alone")
        thawed = drill.event("the frozen machine continues", frozen)
        drill.check(drill.lab.thaw(frozen), "the frozen machine was gone already")
        answered = _last_answer(open_before, thawed + STALE_SECONDS)
    stale = max(0.0, answered - thawed)
    drill.event(f"answers no more reads {stale:.1f} s after it continued", frozen)
    drill.check(stale < STALE_SECONDS, f"the frozen machine answered reads for more than {STALE_SECONDS:.0f} s")
    drill.wait(
        "it to be reset by its watchdog", lambda: drill.seen.sample(frozen) and drill.seen.last_boot(frozen) > at, 120
    )
    drill.event("has been reset by its watchdog", frozen)
    drill.check(drill.seen.writes_since(time.time() - 2), "the peer does not serve any more")
    drill.fault_end("the API is back")
    drill.lab.reach_api(True)


def _last_answer(connection: pymysql.Connection, until: float) -> float:
    """Read on a connection until there is no answer; return when the last one came, in seconds of the epoch."""
    answered = 0.0
    with contextlib.suppress(pymysql.Error, OSError), connection.cursor() as cursor:
        while time.time() < until:
            cursor.execute("select max(sequence) from drill_writes")
            cursor.fetchall()
            answered = time.time()
            time.sleep(0.02)
    return answered
