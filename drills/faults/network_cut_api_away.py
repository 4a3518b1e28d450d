"""The network between the nodes breaks while Azure's API cannot be reached, and a witness sees both.

The side that the witness does not choose has lost quorum, and nobody can switch it off: its own watchdog resets it.
The other side waits for as long as that may take, and then goes on.  The loser boots, is still without quorum, and
serves nothing before the network is repaired.
"""

import time

from drills.drill import Drill
from drills.proof.alerts import NOBODY_SERVES, NODE_LOST, Telling
from drills.proof.audit import Expectation

ORDER = 152
# A machine that runs again by the time the API is back is not even started.
EXPECTED = Expectation(fencings=(0, 1), telling=Telling(NODE_LOST, also=NOBODY_SERVES))
NEEDS_LAB = "Azure's API cannot be blocked for two machines alone"
NEEDS_WATCHDOG = True
SERVED_WITHIN_SECONDS = 20.0


def run(drill: Drill) -> None:
    bound = drill.target.watchdog_bound()
    booted = {node.name: drill.seen.last_boot(node) for node in drill.nodes}
    drill.event("Azure's API cannot be reached from the machines any more")
    drill.lab.reach_api(False)
    at = drill.fault("the network between the nodes is cut; the witness sees both")
    drill.target.part()
    drill.wait(
        "a machine to be reset by its watchdog",
        lambda: any(drill.seen.last_boot(node) > booted[node.name] + 2 for node in drill.nodes),
        bound + SERVED_WITHIN_SECONDS,
    )
    (loser, *others) = [node for node in drill.nodes if drill.seen.last_boot(node) > booted[node.name] + 2]
    drill.event("has been reset by its watchdog", loser)
    drill.check(not others, "both machines were reset")
    # DRBD holds back what is written until the other side counts as fenced; a row from before proves nothing.
    winner = drill.other(loser)
    drill.wait(
        f"{winner.name} to serve",
        lambda: drill.seen.serves(winner) and drill.seen.writes_since(max(at + 5, time.time() - 2)),
        at + bound + SERVED_WITHIN_SECONDS - time.time(),
    )
    drill.event("serves, rows are acknowledged", winner)
    drill.pause(10, "one side goes on alone")
    drill.check(drill.seen.writes_since(time.time() - 2), "nobody serves while the API is away")
    drill.fault_end("the network is repaired, the API is back")
    drill.target.join()
    drill.lab.reach_api(True)
