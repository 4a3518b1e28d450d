"""For a minute, three of ten packets between the nodes are lost, in each direction.

Done in both nodes' kernels (netem), for what they send to each other.  Corosync repeats what is lost, and TCP does so
for DRBD: writes become slow.  Loss alone does not mean death: either nobody is fenced, or the nodes have parted after
all, and then it is exactly one.
"""

from drills import network
from drills.drill import Drill
from drills.proof.alerts import NODE_LOST, Telling
from drills.proof.audit import Expectation

ORDER = 60
EXPECTED = Expectation(fencings=(0, 1), telling=Telling(also=NODE_LOST))
PERCENT = 30


def run(drill: Drill) -> None:
    at = drill.fault(f"{PERCENT} % of the packets between the nodes are lost")
    for node in drill.nodes:
        network.lose(node, drill.other(node), PERCENT)
    drill.pause(60, "packets are lost")
    drill.fault_end("the network is repaired")
    for node in drill.nodes:
        network.clear(node)
    drill.wait_writes(max(at, drill.seen.last_fencing()))
