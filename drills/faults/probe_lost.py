"""The load balancer's probe of the node that serves gets no answer, although the service is well.

Done in the node's kernel, which drops the probe's packets; the listener still runs.  Once the answer is missed, the
load balancer gives that node no new connections, and none to the other one either, since nothing listens there.
Existing connections go on, as Azure documents it.  When the probe is answered again, new connections are too.
"""

import contextlib

import pymysql

from drills import network
from drills.drill import Drill
from drills.proof.audit import Expectation

ORDER = 210
EXPECTED = Expectation(fencings=(0, 0), moves=0)
WITHOUT_FENCING = True
PROBE_PORT = 61500


def run(drill: Drill) -> None:
    drill.fault("the balancer's probe gets no answer", drill.serving)
    network.drop_probe(drill.serving, drill.idle, PROBE_PORT)
    drill.wait("the balancer to notice", lambda: not connects(drill), 60, every=1)
    drill.event("new connections are not answered any more")
    for _ in range(5):
        drill.check(not connects(drill), "a new connection was answered without a healthy probe")
        drill.pause(1, "new connections go nowhere")
    drill.fault_end("the probe is answered", drill.serving)
    network.clear(drill.serving)
    drill.wait("a new connection", lambda: connects(drill), 60, every=1)
    drill.event("new connections are answered again")


def connects(drill: Drill) -> bool:
    """Tell whether a new connection to the endpoint is answered."""
    try:
        with drill.target.inside(), contextlib.closing(drill.target.connect()):
            return True
    except (pymysql.Error, OSError):
        return False
