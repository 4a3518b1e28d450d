"""The network breaks in one direction: the node that serves is heard, but hears nothing.

Done in the node's kernel, which drops what comes from its peer.  Corosync needs both directions, so the nodes part as
after a cut in both; one is fenced, and one serves.  The fault ends with a machine that is switched off; if that was the
peer, it comes back into a network that is still broken, and joins when that is repaired.
"""

import time

from drills import network
from drills.drill import Drill
from drills.proof.alerts import NODE_LOST, Telling
from drills.proof.audit import Expectation

ORDER = 50
EXPECTED = Expectation(fencings=(1, 1), telling=Telling(NODE_LOST))


def run(drill: Drill) -> None:
    drill.fault("hears nothing from its peer any more", drill.serving)
    network.drop_from(drill.serving, drill.idle)
    drill.wait("fencing", drill.seen.fenced, 240)
    drill.wait_writes(drill.seen.last_fencing())
    drill.pause(20, "one side goes on alone")
    drill.check(drill.seen.writes_since(time.time() - 2), "nobody serves while the network is broken")
    drill.fault_end("the network is repaired")
    drill.target.join()
    for node in drill.nodes:
        network.clear(node)
