"""Azure announces that it will reboot the host of the machine that serves.

The agent on the node (azure-events-az) sees the announcement in the metadata service, and the service moves away
cleanly, before the announced time.  Then the node lets the event begin; the machine reboots, and comes back.
"""

import time

from drills.drill import Drill
from drills.proof.alerts import Telling
from drills.proof.audit import Expectation

ORDER = 200
# While the machine reboots there is one copy, which may last long enough to be told.
EXPECTED = Expectation(fencings=(0, 0), telling=Telling(also=("MysqlNodeLost",)))
NEEDS_LAB = "Azure announces events when it wants to, not on request"
SETTLE_SECONDS = 420.0

NOTICE_SECONDS = 240.0
"""From the announcement to its time; Azure gives 10 to 15 minutes for a reboot."""


def run(drill: Drill) -> None:
    at = drill.fault(f"a reboot of its host is announced, in {NOTICE_SECONDS:.0f} s", drill.serving)
    before = drill.seen.last_boot(drill.serving)
    drill.lab.announce(drill.serving, NOTICE_SECONDS)
    drill.wait_served(drill.idle, at, NOTICE_SECONDS)
    drill.check(time.time() < at + NOTICE_SECONDS, "the service moved too late")
    drill.wait("the event's end", lambda: not drill.lab.announced(), NOTICE_SECONDS + 120, every=1)
    drill.wait("the reboot", lambda: drill.seen.last_boot(drill.serving) > before, 120)
    drill.fault_end("has rebooted", drill.serving)
