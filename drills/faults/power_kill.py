"""The machine that serves loses its power.

Every process of it is killed at the same instant, as when its host dies.  The other node misses it after Corosync's
token, has Azure switch it off to be sure that it is off, promotes its own copy of the data and serves.  The same
fencing starts the machine again, which copies what it has missed.
"""

from drills.drill import Drill
from drills.proof.alerts import NODE_LOST, Telling
from drills.proof.audit import Expectation

ORDER = 10
EXPECTED = Expectation(fencings=(1, 1), telling=Telling(NODE_LOST))


def run(drill: Drill) -> None:
    at = drill.fault("power is cut", drill.serving)
    drill.target.cut_power(drill.serving)
    drill.wait_served(drill.idle, at)
