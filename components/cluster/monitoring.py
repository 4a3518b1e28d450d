"""Monitoring: Prometheus' exporters on both nodes, with what `make status` would find; a Prometheus on the witness."""

import json
import re
from collections.abc import Iterable, Mapping

import pulumi

from components import ports
from components.checkout import CHECKOUT
from components.metrics_store import AUDIENCE, MetricsStore
from components.places import TOKEN, TOKEN_UNIT
from components.remote import LIBRARY, Machine, Part, RemoteScript, ScriptContext

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
    "operations/words.py",
)
"""What runs on the nodes, of the programs that ask them from outside too."""


ALERTS = CHECKOUT / "docs" / "monitoring" / "alerts.yaml"

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----\n.*?-----END CERTIFICATE-----", re.DOTALL)


class Monitoring(Part):
    """The exporters of both nodes, which only a Prometheus of `monitorCidrs` reaches, by TLS and with the password.

    Args:
        store: where the Prometheus on the witness writes to; None for nowhere.
        after: what each machine needs first, by its name.

    Attributes:
        told: what a Prometheus needs to know to ask them.
    """

    def __init__(
        self,
        context: ScriptContext,
        opts: pulumi.ResourceOptions,
        *,
        store: MetricsStore | None,
        after: Mapping[str, pulumi.Resource],
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
        kinds = tuple(zip(("node", "mysqld", "cluster"), exporters, strict=True))
        certificates = pulumi.Output.concat(*(script.stdout.apply(certificate_in) for script in done.values()))
        place = f"/etc/prometheus/{context.settings.names.cluster_name}"
        told: dict[str, object] = {
            "scrape_configs": [
                _scraped(context, *kind, context.nodes, f"{place}.pem", f"{place}.password") for kind in kinds
            ],
            "certificates": certificates,
        }
        witness = context.witness
        if witness and context.settings.monitoring.monitor_on_witness:
            own = RemoteScript(
                f"{witness.name}-prometheus",
                self,
                witness,
                "monitoring/prometheus.sh.j2",
                "Prometheus, which asks the nodes",
                after=[after[witness.name], *done.values(), *(store.ready if store else ())],
                variables={"HA_MONITOR_PASSWORD": password, "HA_EXPORTER_CERTIFICATES": certificates},
                library=LIBRARY,
                monitoring=system,
                configuration=_configuration(context, witness, kinds, store),
                alerts=ALERTS.read_text(encoding="utf-8"),
                audience=AUDIENCE if store else "",
                token=TOKEN,
                token_unit=TOKEN_UNIT,
            )
            told["prometheus"] = f"https://{witness.private_address}:{ports.PROMETHEUS}"
            told["certificates"] = pulumi.Output.concat(certificates, own.stdout.apply(certificate_in))
        self.told = pulumi.Output.from_input(told)
        self.register_outputs({})


def _configuration(
    context: ScriptContext, witness: Machine, kinds: Iterable[tuple[str, int]], store: MetricsStore | None
) -> str:
    """Return what the witness's Prometheus asks, and where it writes to, in its own form (JSON is YAML)."""
    place = "/etc/azure-mysql-ha/monitoring"
    password = f"{place}/password"
    asked = [_scraped(context, *kind, context.nodes, f"{place}/nodes.pem", password) for kind in kinds]
    configuration: dict[str, object] = {
        "global": {"scrape_interval": "15s", "evaluation_interval": "15s"},
        "rule_files": [f"{place}/alerts.yaml"],
        "scrape_configs": asked,
    }
    if store:
        # Whether its writing is behind, it alone knows.
        own = (ports.PROMETHEUS, [witness], f"{place}/certificate.pem", password)
        asked.append(_scraped(context, "prometheus", *own))
        # Its own support for Entra ID ("azuread") is not in the packages of the distributions; this is, and the file is
        # read before each request.
        authorization = {"credentials_file": TOKEN}
        configuration["remote_write"] = [
            # The token is for nobody to whom that server might point.
            {"name": "workspace", "url": store.url, "follow_redirects": False, "authorization": authorization}
        ]
    return json.dumps(configuration, indent=1)


def certificate_in(stdout: str) -> str:
    """Return the certificate that a node's script has told, whose last line feed the provider cuts off."""
    found = _CERTIFICATE.search(stdout)
    return f"{found[0]}\n" if found else ""


def _scraped(
    context: ScriptContext, kind: str, port: int, machines: Iterable[Machine], authority: str, password: str
) -> dict[str, object]:
    """Return how a Prometheus asks exporters of one kind, in the form of its own configuration.

    Args:
        authority, password: files of the machine that it runs on.
    """
    cluster = context.settings.names.cluster_name
    return {
        "job_name": f"{cluster}-{kind}",
        "scheme": "https",
        # It starts the cluster's own programs each time.
        **({"scrape_interval": "1m", "scrape_timeout": "30s"} if kind == "cluster" else {}),
        "tls_config": {"ca_file": authority},
        "basic_auth": {"username": "prometheus", "password_file": password},
        "static_configs": [
            {
                "targets": [f"{machine.private_address}:{port}"],
                "labels": {"cluster": cluster, "instance": machine.name, "exporter": kind},
            }
            for machine in machines
        ],
    }
