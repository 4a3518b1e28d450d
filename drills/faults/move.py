"""The service is moved to the other node by `make move`, and back; ten times.

The server first writes its changed pages to disk while it still serves; then DRBD's promoted role is banned from its
node until the other one serves.  DRBD stays connected, so nothing has to be copied afterwards, and nobody is fenced.
"""

from drills.drill import Drill
from drills.proof.audit import Expectation
from operations import move

ORDER = 145
EXPECTED = Expectation(fencings=(0, 0), moves=None)
WITHOUT_FENCING = True


def run(drill: Drill) -> None:
    for number in range(1, drill.extent.moves + 1):
        drill.find_serving()
        before, after = drill.serving, drill.idle
        at = drill.fault(f"make move, {number} of {drill.extent.moves}", before)
        moved = move.move(drill.target.stack, drill.say)
        drill.event(f"moved within {moved.seconds:.1f} s", after)
        drill.wait_served(after, at)
        left = before.run("cibadmin --query --scope constraints")
        drill.check("cli-" not in left, "a constraint of the move is left")
        drill.wait_strength()
