"""The machine that serves stands still, as a whole, and wants to go on when its peer serves.

Every process of it gets SIGSTOP: to itself no time passes, and a write that it was about to make it would make
afterwards.  That is why silence is no proof: the other node may serve only once the frozen one has been switched off.
When it is promoted, the frozen machine is told to go on (SIGCONT), if it is there to hear it.  It must be gone by then;
what comes back is a machine that boots, joins, and copies what it has missed.  It never takes another row.
"""

from drills.drill import Drill
from drills.proof.audit import Expectation

ORDER = 30
EXPECTED = Expectation(fencings=(1, 1))
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
