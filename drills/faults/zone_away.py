"""The data centre of the node that serves is lost, with the parts of Azure's network that are only there.

The machine and its disk are gone, and nothing can be started there.  The other node misses it, and must reach Azure's
API to be sure that it is off before it serves, so the way out must not be in the lost zone.  When the zone is back, the
same fencing, which has kept trying, starts the machine, and it copies what it has missed.
"""

from drills.drill import Drill
from drills.proof.alerts import NODE_LOST, Telling
from drills.proof.audit import Expectation

ORDER = 15
EXPECTED = Expectation(fencings=(1, 1), telling=Telling(NODE_LOST))
NEEDS_LAB = "nobody can switch off one of Azure's zones"
NEEDS_ZONES = True
SETTLE_SECONDS = 420.0
AWAY_SECONDS = 30.0


def run(drill: Drill) -> None:
    """Take the zone of the serving node away, see that the other one serves, and bring the zone back."""
    zone = drill.lab.zone_of(drill.serving)
    at = drill.fault(f"zone {zone} is away", drill.serving)
    drill.lab.take_zone(zone)
    drill.wait_served(drill.idle, at)
    drill.pause(AWAY_SECONDS, "one zone goes on alone")
    drill.check(not drill.target.power()[drill.serving.name], "a machine was started in a zone that is away")
    drill.fault_end(f"zone {zone} is back", drill.serving)
    drill.lab.return_zone()
