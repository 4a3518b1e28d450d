"""A node dies while the other one still copies from it what it has missed.

One node is away in standby, and much is written.  When it comes back it copies, slowed down for the drill, and is
Inconsistent until it is done: old and new blocks are mixed.  In the middle of this the node that serves dies.  The
other one must not be promoted, whether or not fencing works: the only whole copy is the dead node's.  Fencing starts
the dead machine again, which then serves every row while the copying goes on; or the other one does, once it has copied
everything.
"""

from drills.drill import Drill
from drills.proof.alerts import NOBODY_SERVES, NODE_LOST, Telling
from drills.proof.audit import Expectation

ORDER = 180
EXPECTED = Expectation(fencings=(1, 2), telling=Telling(NODE_LOST, also=(*NOBODY_SERVES, "MysqlResourceFailed")))
SETTLE_SECONDS = 420.0

MISSED_MIB = 64
"""Written while the node is away; at the slowed rate a copy of it takes longer than the drill needs."""


def run(drill: Drill) -> None:
    source, target = drill.serving, drill.idle
    drill.event("standby", target)
    target.run(f"crm node standby {target.name}", timeout=120)
    drill.wait("the node to be down", lambda: drill.seen.role(target) == "-", 60)
    drill.fill(MISSED_MIB)
    source.run("drbdadm disk-options --c-max-rate=1M --c-fill-target=0 --resync-rate=1M r0")
    drill.event("online again", target)
    target.run(f"crm node online {target.name}", timeout=120)
    drill.wait("the copying", lambda: drill.seen.disk(target) == "Inconsistent", 60, every=0.05)
    at = drill.fault("power is cut while the other copies from it", source)
    drill.target.cut_power(source)
    try:
        drill.wait_writes(at + 1, 420)
    finally:
        drill.check(not drill.seen.was_promoted_on_bad_data(target, at), "the inconsistent side was promoted")
    for node in drill.nodes:
        node.run("drbdadm adjust r0", check=False)
