"""The machine that does not serve loses its power.

The service stays where it is.  Writes wait, with their connections open, from the moment in which the copy on the dead
machine is missed until that machine is known to be off (DRBD: resource-and-stonith); then they go on.  The dead machine
is started again and copies what it has missed.
"""

from drills.drill import Drill
from drills.proof.alerts import NODE_LOST, Telling
from drills.proof.audit import Expectation

ORDER = 80
EXPECTED = Expectation(fencings=(1, 1), moves=0, telling=Telling(NODE_LOST))


def run(drill: Drill) -> None:
    server = drill.seen.server(drill.serving)
    drill.fault("power is cut", drill.idle)
    drill.target.cut_power(drill.idle)
    drill.wait("fencing", drill.seen.fenced, 240)
    drill.wait_writes(drill.seen.last_fencing())
    drill.wait_strength()
    drill.check(drill.seen.server(drill.serving) == server, "the server was restarted")
