"""Monitoring: Prometheus' exporters on both nodes, and what tells one of them what `make status` would find."""

import re
from collections.abc import Mapping

import pulumi

from components import ports
from components.checkout import CHECKOUT
from components.remote import LIBRARY, Part, ScriptContext

PROGRAMS = (
    "components/certificates.py",
    "components/places.py",
    "configs/backup/documents.py",
    "configs/backup/moments.py",
    "configs/pacemaker/look.py",
    "operations/backup/late.py",
    "operations/backup/state.py",
    *(f"operations/status/{name}.py" for name in ("collector", "drbd", "facts", "metrics", "quorum")),
    *sorted(str(file.relative_to(CHECKOUT)) for file in (CHECKOUT / "operations/status/alarms").glob("*.py")),
)
"""What runs on the nodes, of the programs that ask them from outside too."""

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----\n.*?-----END CERTIFICATE-----", re.DOTALL)


class Monitoring(Part):
    """The exporters of both nodes, which only a Prometheus of `monitorCidrs` reaches, by TLS and with the password.

    Args:
        after: what each node needs first, by node name.

    Attributes:
        told: what a Prometheus needs to know to ask them.
    """

    def __init__(
        self, context: ScriptContext, opts: pulumi.ResourceOptions, *, after: Mapping[str, pulumi.Resource]
    ) -> None:
        super().__init__(context, opts)
        system, password = context.operating_system.monitoring, context.settings.monitoring.monitor_password
        assert password is not None
        exporters = {
            ports.NODE_EXPORTER: system.node,
            ports.MYSQLD_EXPORTER: system.mysqld,
            ports.CLUSTER_EXPORTER: system.cluster,
        }
        done = self.on_each(
            context.nodes,
            "monitoring",
            "monitoring/monitoring.sh.j2",
            "Exporters, which tell Prometheus how this node is",
            variables={"HA_MONITOR_PASSWORD": password},
            after_own=[after],
            library=LIBRARY,
            programs={path: (CHECKOUT / path).read_text(encoding="utf-8") for path in PROGRAMS},
            monitoring=system,
            exporters=exporters,
        )
        certificates = [script.stdout.apply(certificate_in) for script in done.values()]
        kinds = zip(("node", "mysqld", "cluster"), exporters, strict=True)
        told: dict[str, object] = {
            "scrape_configs": [_scraped(context, kind, port) for kind, port in kinds],
            "certificates": pulumi.Output.concat(*certificates),
        }
        self.told = pulumi.Output.from_input(told)
        self.register_outputs({})


def certificate_in(stdout: str) -> str:
    """Return the certificate that a node's script has told, whose last line feed the provider cuts off."""
    found = _CERTIFICATE.search(stdout)
    return f"{found[0]}\n" if found else ""


def _scraped(context: ScriptContext, kind: str, port: int) -> dict[str, object]:
    """Return how a Prometheus asks one kind of exporter, in the form of its own configuration."""
    cluster = context.settings.names.cluster_name
    place = f"/etc/prometheus/{cluster}"
    return {
        "job_name": f"{cluster}-{kind}",
        "scheme": "https",
        # It starts the cluster's own programs each time.
        **({"scrape_interval": "1m", "scrape_timeout": "30s"} if kind == "cluster" else {}),
        "tls_config": {"ca_file": f"{place}.pem"},
        "basic_auth": {"username": "prometheus", "password_file": f"{place}.password"},
        "static_configs": [
            {
                "targets": [f"{node.private_address}:{port}"],
                "labels": {"cluster": cluster, "instance": node.name, "exporter": kind},
            }
            for node in context.nodes
        ],
    }
