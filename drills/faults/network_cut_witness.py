"""The network between the nodes breaks, while a witness sees both.

The witness (a third machine with corosync-qnetd) gives its vote to one side at once; the other one has lost quorum,
stops, and is fenced.  There is no race, so there is no delay between the cut and the fencing, whoever serves.
"""

import time

from drills.drill import Drill
from drills.proof.alerts import NODE_LOST, Telling
from drills.proof.audit import Expectation

ORDER = 70
EXPECTED = Expectation(fencings=(1, 1), telling=Telling(NODE_LOST))
NEEDS_WITNESS = True


def run(drill: Drill) -> None:
    drill.fault("the network between the nodes is cut; the witness sees both")
    drill.target.part()
    drill.wait("fencing", drill.seen.fenced, 240)
    drill.wait_writes(drill.seen.last_fencing())
    delays = drill.serving.run(
        "crm_attribute --type crm_config --name priority-fencing-delay --query --quiet", check=False
    )
    drill.check(delays.strip().rstrip("s") in ("", "0"), f"with a witness there is a delay of {delays.strip()}")
    drill.pause(20, "one side goes on alone")
    drill.check(drill.seen.writes_since(time.time() - 2), "nobody serves while the network is cut")
    drill.fault_end("the network is repaired")
    drill.target.join()
