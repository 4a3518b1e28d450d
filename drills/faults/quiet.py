"""Nothing is done, for as long as is asked for (`--minutes`): rows are written, and nobody is told of anything.

What watches the cluster must not cry for nothing.  Backups, proofs and the machines' own timers go on meanwhile.
"""

from drills.drill import Drill
from drills.proof.audit import Expectation

ORDER = 320
# What a client hardly notices: a lost packet is sent again within this.
EXPECTED = Expectation(fencings=(0, 0), longest_outage=2.0, moves=0)
WITHOUT_FENCING = True


def run(drill: Drill) -> None:
    drill.fault("nothing is done to the cluster")
    drill.pause(60 * drill.extent.minutes, "nothing is done")
