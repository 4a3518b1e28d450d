"""Both machines lose their power together, and get it back together.

Neither may serve before it has seen the other, since it cannot know whose copy is the newer (wait_for_all).  Then the
cluster starts by itself, InnoDB recovers, and every row is there.
"""

import time

from drills.drill import Drill
from drills.proof.alerts import NOBODY_SERVES, NODE_LOST, Telling
from drills.proof.audit import Expectation

ORDER = 160
# A member that both have lost in the same instant need not be fenced; one may be, at the start.
EXPECTED = Expectation(fencings=(0, 1), telling=Telling(also=(*NODE_LOST, *NOBODY_SERVES)))
SETTLE_SECONDS = 420.0


def run(drill: Drill) -> None:
    drill.fault("power of both machines is cut")
    for node in drill.nodes:
        drill.target.cut_power(node)
    drill.wait("both to be off", lambda: not any(drill.target.power().values()), 30)
    drill.pause(5, "no power")
    drill.fault_end("both machines are started")
    for node in drill.nodes:
        drill.target.start(node)
    drill.wait_writes(time.time(), 420)
