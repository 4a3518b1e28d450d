"""The data centre of the node that serves is lost, and all of Azure's network that is in its zone alone.

The machine and its disk are gone, and nothing there can be started.  The other node misses it, and must reach Azure's
API to be sure that it is off before it serves: by a way out that is not in the zone that is lost.  When the zone is
back, the machine is started by the same fencing, which has asked for that again and again, and copies what it missed.
"""

from drills.drill import Drill
from drills.proof.audit import Expectation

ORDER = 15
EXPECTED = Expectation(fencings=(1, 1))
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
