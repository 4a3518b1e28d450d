"""The machine that serves freezes as a whole, and continues when its peer serves.

Every process of it gets SIGSTOP: for the machine no time passes, and a write that it was about to make it would make
afterwards.  That is why silence is no proof: the other node may serve only once the frozen one has been switched off.
When the peer is promoted, the frozen machine gets SIGCONT, if it still exists.  It must be gone by then; what comes
back is a machine that boots, joins, and copies what it has missed.  It never takes another row.
"""

from drills.drill import Drill
from drills.proof.alerts import NODE_LOST, Telling
from drills.proof.audit import Expectation

ORDER = 30
EXPECTED = Expectation(fencings=(1, 1), telling=Telling(NODE_LOST))
NEEDS_LAB = "Azure offers no way to stop a machine's clock"


def run(drill: Drill) -> None:
    frozen = drill.serving
    at = drill.fault("the machine stands still (SIGSTOP)", frozen)
    before = drill.lab.power_cycle(frozen)
    drill.lab.freeze(frozen)
    drill.wait("the peer to be promoted", lambda: drill.seen.is_promoted(drill.idle), 240)
    if drill.lab.power_cycle(frozen) == before:
        drill.lab.thaw(frozen)
        drill.check(False, "the peer was promoted before the frozen machine was switched off")
    drill.fault_end("the frozen machine is gone", frozen)
    drill.wait_served(drill.idle, at)
    drill.wait("the machine to come back", lambda: drill.seen.sample(frozen) is not None, 240)
