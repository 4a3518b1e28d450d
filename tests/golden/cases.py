"""The cases in which all that the program makes is compared with files: a stack each, with what differs in it."""

import functools
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from components.certificates import read_authority
from components.settings import sshkeys
from components.settings.membership import key_file
from components.settings.tunnel import read_tunnel
from tests.support import stack_configuration as configuration
from tests.support.keys import ssh_key
from tests.support.recording import EXISTING, WORKSPACE, Resource, record


@dataclass(frozen=True)
class Case:
    """A case.

    Args:
        stack: the stack's name.
        changes: settings in place of those of the stack's file.
        like: the cases that it is a difference to; of each file the first of them that has it.
    """

    stack: str
    changes: dict[str, Any] = field(default_factory=dict[str, Any])
    like: tuple[str, ...] = ()

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        """What is called otherwise in each case, and no difference: cluster, network, resource group, tag."""
        settings = configuration.stack_settings(self.stack) | self.changes
        network = settings["subnet"].rpartition(".")[0]
        group = settings["existingResourceGroup"] or f"rg-{settings['clusterName']}"
        return settings["clusterName"], f"{network}.", group, f"environment: {self.stack}"


MONITORED = {
    "monitoring": True,
    "monitorCidrs": ["198.51.100.0/24"],
    "monitorOnWitness": True,
    "monitorWorkspaceId": WORKSPACE,
    "alertEmails": ["night@example.com"],
    "alertWebhook": "https://example.com/hook",
}

ACCOUNTS = {
    "databaseAccounts": {
        "reports": {"database": "app", "rights": "readOnly"},
        "loader": {"database": "stage_in", "rights": "owner"},
    },
    "databaseAccountPasswords": {"reports": "Throw-away-of-reports-1", "loader": "Throw-away-of-loader-1"},
}

ROOT = "lab"
# Each behind those that it is like.
CASES = {
    ROOT: Case("lab"),
    "debian-12": Case("lab", {"operatingSystem": "debian-12"}, like=("lab",)),
    "debian-13": Case("lab", {"operatingSystem": "debian-13"}, like=("debian-12", "lab")),
    # Of an operating system with repairs, which a witness does without; while the key of SSH's admin user is changed.
    "witness": Case(
        "lab",
        {"witness": True, "hostFirewall": True, "replicationEncryption": True, "sshPreviousPrivateKey": ssh_key()}
        | MONITORED
        | ACCOUNTS,
        like=("lab",),
    ),
    "dev": Case("dev", like=("lab",)),
    "ubuntu-24.04": Case("dev", {"operatingSystem": "ubuntu-24.04"}, like=("dev", "debian-12")),
    "internal": Case(
        "dev",
        {
            "endpoint": "internal",
            "privateDnsName": "db.mysql-dev.internal",
            "sshAccess": "node-addresses",
            "zones": ["1", "2"],
            "availabilitySet": False,
            "protectData": True,
        },
        like=("dev",),
    ),
    "prod": Case("prod", like=("internal", "witness")),
    "staging": Case("staging", like=("prod",)),
    "existing": Case("prod", EXISTING, like=("prod",)),
}


def resources(case: str) -> list[Resource]:
    """Return what the program registers in a case."""
    return record(CASES[case].stack, CASES[case].changes)


def scripts(case: str) -> dict[str, str]:
    """Return the text of every script, by the resource's name."""
    made = resources(case)
    return {one.name: _without_keys(one.inputs["stdin"]) for one in made if one.type == "command:remote:Command"}


def graph(case: str) -> str:
    """Return the resource graph, as YAML."""
    made = {
        f"{resource.type} {resource.name}": {
            "parent": resource.parent,
            "depends on": resource.dependencies,
            **({"protect": True} if resource.protect else {}),
            **({"delete before replace": True} if resource.delete_before_replace else {}),
        }
        for resource in resources(case)
    }
    return yaml.safe_dump(made, sort_keys=False, width=1000)


def azure(case: str) -> str:
    """Return the inputs of Azure's resources, as YAML."""
    inputs = {
        f"{resource.type} {resource.name}": dict(resource.inputs)
        for resource in resources(case)
        if resource.type.startswith("azure-native:")
    }
    for name, properties in inputs.items():
        if "osProfile" in properties:
            profile = properties["osProfile"]
            assert "secret" in profile["customData"], f"{name}: the host key in the user data is in clear"
            properties["osProfile"] = profile | {"customData": "SECRET"}
    return _without_keys(yaml.safe_dump(inputs, sort_keys=True, width=1000))


def _without_keys(text: str) -> str:
    """Put names in place of the throw-away public keys, which differ from run to run."""
    for key, name in _names_of_keys().items():
        text = text.replace(key, name)
    return text


@functools.cache
def _names_of_keys() -> dict[str, str]:
    made = configuration.throw_away_secrets()
    keys = {
        "HOST-KEY-1": made["sshHostKeys"][0],
        "HOST-KEY-2": made["sshHostKeys"][1],
        "HOST-KEY-3": made["sshHostKeys"][2],
        "ADMIN-KEY": made["sshPrivateKey"],
        "PREVIOUS-KEY": ssh_key(),
        "CLUSTER-KEY": made["clusterSshKey"],
    }
    names = {sshkeys.parse(private).public: f"ssh-ed25519 {name}" for name, private in keys.items()}
    authority = read_authority(made["tlsAuthority"]).certificate.strip()
    digest = hashlib.sha256(sshkeys.parse(made["sshHostKeys"][0]).public.encode()).hexdigest()[:8]
    ends = read_tunnel(made["replicationKeys"]).ends
    names |= {end.public_key: f"TUNNEL-KEY-{number}" for number, end in enumerate(ends, 1)}
    return names | {
        digest: "8-DIGITS",
        authority: "AUTHORITY",
        key_file(made["corosyncKey"]): "authkey-OF-THE-KEY",
    }


def renamed(text: str, case: str, other: str) -> str:
    """Return a text of a case with the names of another."""
    names = dict(zip(CASES[case].names, CASES[other].names, strict=True))
    return re.sub("|".join(rf"\b{re.escape(name)}" for name in names), lambda found: names[found[0]], text)


def swapped(case: str, text: str) -> str:
    """Return a text with the nodes' names, addresses and host keys in each other's place."""
    cluster, network, *_ = CASES[case].names
    for pattern, one, other in (
        (rf"(?<={re.escape(cluster)}-)[12]\b", "1", "2"),
        (rf"(?<=\b{re.escape(network)})[45]\b", "4", "5"),
        (r"(?<=HOST-KEY-)[12]\b", "1", "2"),
        (r"(?<=TUNNEL-KEY-)[12]\b", "1", "2"),
        (r"(?<=\b169\.254\.77\.)[12]\b", "1", "2"),
    ):
        text = re.sub(pattern, lambda found, one=one, other=other: other if found[0] == one else one, text)
    return text


def distinct_scripts() -> Iterator[tuple[str, str]]:
    """Yield case and name, and text, of every script that is not one before with other names or nodes swapped."""
    seen: set[str] = set()
    for case in CASES:
        for name, text in scripts(case).items():
            plain = renamed(text, case, ROOT)
            if plain not in seen:
                seen |= {plain, swapped(ROOT, plain)}
                yield f"{case}/{name}", text
