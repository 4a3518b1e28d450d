"""What is compared: our cluster, a server on a plain disk, Galera.  Each is up inside its `with`, alone in its lab."""

from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path

from components import ports
from lab import application, fabric, image, power, service, tls
from lab.application import Client
from lab.benchmarks.guests import SUBNET, SYSTEM, Guest, node_memory_mib, server_files
from lab.cloud import catalogue
from lab.cloud import client as cloud
from lab.lab import Lab, wait_until
from operations.ssh import Node

_WHOLE_SECONDS = 600
"""Until a candidate must be as before; our cluster's resynchronisation and Galera's copy are in it."""


@dataclass(frozen=True)
class Candidate:
    """One that can be measured.

    Args:
        ways: how the load reaches it, by what that is called.
        failover: whom a client writes to, in the order in which it tries.
        victim: names the machine that is written to.
        kill: cuts a machine's power.
        restore: sees that it is all as before, and returns when it is.
    """

    ways: Mapping[str, Client]
    failover: tuple[Client, ...]
    victim: Callable[[], str]
    kill: Callable[[str], None]
    restore: Callable[[str], None]
    machines: Sequence[Node]
    versions: dict[str, str] = field(default_factory=dict[str, str])

    def switches(self) -> int:
        """Return how many context switches its machines have made since they were switched on."""
        return sum(int(node.run("grep ^ctxt /proc/stat").split()[1]) for node in self.machines)


@contextmanager
def plain_disk(lab: Lab) -> Generator[Candidate]:
    """One machine of the size of our nodes, its server on its own data disk; after a kill it is switched on at once."""
    with _network(lab) as guests:
        server = _node(lab, "plain-1", SUBNET[4], server_files(SUBNET[4]))
        guests.append(server)
        server.start()
        server.wait()
        server.node.run("bash /root/server.sh alone", timeout=120)

        def kill(_name: str) -> None:
            server.machine.power_off()
            server.start()

        def is_whole() -> bool:
            return server.sql("select 1") == "1"

        yield Candidate(
            ways={"direct": server.target},
            failover=(server.target,),
            victim=lambda: server.name,
            kill=kill,
            restore=lambda _: wait_until("the server answers", is_whole, _WHOLE_SECONDS),
            machines=[server.node],
            versions={"MariaDB": server.sql("select version()")},
        )


@contextmanager
def our_cluster(lab: Lab) -> Generator[Candidate]:
    """What `make up` makes."""
    try:
        lab.up({"operatingSystem": SYSTEM})
        service.wait_until_well(lab, _WHOLE_SECONDS)
        outputs, serving = lab.outputs(), service.serving(lab)
        addresses = {machine["name"]: machine["address"] for machine in cloud.status(lab.paths)["machines"]}
        password = lab.engine().settings()["databasePassword"]

        def target(host: str, port: int) -> Client:
            user, name = outputs["database"]["user"], outputs["database"]["name"]
            return Client(host, port, user, password, name, tls.context(outputs["ca"], outputs["endpoint"]["name"]))

        def restore(name: str) -> None:
            powers = {machine["name"]: machine["power"] for machine in cloud.status(lab.paths)["machines"]}
            if powers[name] == "stopped":
                # Nobody has fenced it, which would have switched it on again.
                power.start(lab, name)
            service.wait_until_well(lab, _WHOLE_SECONDS)

        endpoint = target(outputs["endpoint"]["host"], int(outputs["endpoint"]["port"]))
        yield Candidate(
            ways={"direct": target(str(addresses[serving.name]), ports.MYSQL), "through the lab's balancer": endpoint},
            failover=(endpoint,),
            victim=lambda: service.serving(lab).name,
            kill=lambda name: power.kill(lab, name),
            restore=restore,
            machines=lab.nodes(),
            versions={
                "MariaDB": str(application.query(lab, "select version()")[0][0]),
                "DRBD": serving.run("head -n 1 /proc/drbd").split()[1],
                "Pacemaker": serving.run("pacemakerd --version").split()[1],
                "fencing": lab.status().fencing.partition(":")[0],
            },
        )
    except BaseException:
        with suppress(Exception):
            lab.collect()
        raise
    finally:
        lab.down()


@contextmanager
def galera(lab: Lab) -> Generator[Candidate]:
    """Two machines of the size of our nodes, in one Galera cluster with a small third one that only votes."""
    with _network(lab) as guests:
        addresses = [SUBNET[4], SUBNET[5]]
        options = Path(__file__).with_name("galera.cnf").read_text()
        options = options.replace("@NODES@", ",".join(map(str, addresses)))
        nodes = [
            _node(
                lab,
                f"galera-{number}",
                address,
                {
                    **server_files(address),
                    "/etc/mysql/mariadb.conf.d/60-galera.cnf": options.replace("@ADDRESS@", str(address)),
                },
            )
            for number, address in enumerate(addresses, 1)
        ]
        small = catalogue.size("Standard_B1s")
        assert small
        arbitrator = Guest(
            lab,
            name="arbitrator",
            address=SUBNET[6],
            guest=image.ARBITRATOR,
            memory_mib=small.lab_memory_mib,
            files={
                "/etc/default/garb": (
                    f'GALERA_NODES="{",".join(map(str, addresses))}"\nGALERA_GROUP="bench"\nWORK_DIR="/var/lib/garb"\n'
                )
            },
            data_disk=False,
        )
        guests += [*nodes, arbitrator]
        for guest in guests:
            guest.start()
        with ThreadPoolExecutor() as pool:
            list(pool.map(Guest.wait, guests))
        first, second = nodes
        by_name = {node.name: node for node in nodes}
        first.node.run("bash /root/server.sh first", timeout=120)
        arbitrator.node.run(
            "install --directory --owner=nobody /var/lib/garb; systemctl enable garb; systemctl restart garb; sync"
        )
        second.node.run("bash /root/server.sh joining", timeout=300)

        def tells(node: Guest, variable: str) -> str:
            table = "information_schema.global_status"
            return node.sql(f"select variable_value from {table} where variable_name = 'wsrep_{variable}'")

        def is_whole() -> bool:
            return all(
                (tells(node, "cluster_size"), tells(node, "local_state_comment")) == ("3", "Synced") for node in nodes
            )

        def restore(name: str) -> None:
            by_name[name].start()
            wait_until("the Galera cluster is whole", is_whole, _WHOLE_SECONDS, every=1)

        wait_until("the Galera cluster is whole", is_whole, _WHOLE_SECONDS, every=1)
        yield Candidate(
            ways={"direct": first.target},
            failover=(first.target, second.target),
            victim=lambda: first.name,
            kill=lambda name: by_name[name].machine.power_off(),
            restore=restore,
            machines=[guest.node for guest in guests],
            versions={
                "MariaDB": first.sql("select version()"),
                "Galera": tells(first, "provider_version").partition("(")[0],
            },
        )


def _node(lab: Lab, name: str, address: IPv4Address, files: Mapping[str, str]) -> Guest:
    """Return a machine like those of our cluster's nodes."""
    return Guest(
        lab, name=name, address=address, guest=SYSTEM, memory_mib=node_memory_mib(), files=files, data_disk=True
    )


@contextmanager
def _network(lab: Lab) -> Generator[list[Guest]]:
    """Make the lab's namespace, without a cloud; yields the list for the machines that end with it."""
    guests: list[Guest] = []
    try:
        fabric.create(lab.paths.namespace)
        yield guests
    except BaseException:
        for guest in guests:
            guest.keep_journal()
        raise
    finally:
        lab.down()
