"""Administration by SSH, and the keys by which machines and people know each other."""

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import pulumi

from components import ports
from components.settings import sshkeys
from components.settings.cidr import sources
from components.settings.given import (
    between,
    choice,
    given,
    hidden,
    number_of,
    optional_secret,
    secret,
    secrets,
    text,
    texts,
    wholes,
)
from components.settings.mistake import Mistake
from components.settings.section import Check, Section

# learn.microsoft.com, osProfile.adminUsername, "Disallowed values".
_AZURE_FORBIDS_ADMIN = """
    administrator admin user user1 test user2 test1 user3 admin1 1 123 a actuser adm admin2 aspnet backup console david
    guest john owner root server sql support support_388945a0 sys test2 test3 user4 user5
"""

# Accounts that the image or the cluster's packages bring.
_SYSTEM_ACCOUNTS = """
    bin daemon games gnats hacluster haclient irc list lp mail man messagebus mysql news nobody proxy sshd sudo sync
    systemd-network systemd-resolve uucp www-data
"""

_UP_TO_THREE = "a cluster has 2 nodes, and perhaps a witness"


@dataclass(frozen=True)
class KeyPair:
    """A key of SSH's.

    Args:
        private: the private key in OpenSSH's form, secret.
        public: the public key's line, "ssh-ed25519 AAAA...".
    """

    private: pulumi.Output[str]
    public: str


def _admin_user(value: str) -> str:
    if value.lower() in _AZURE_FORBIDS_ADMIN.split():
        raise Mistake(f"{value!r} is a name that Azure forbids; an example is azureuser")
    if value in _SYSTEM_ACCOUNTS.split() or value.startswith("systemd-"):
        raise Mistake(f"{value!r} is one of the system's own accounts; an example is azureuser")
    if not re.fullmatch(r"[a-z_][a-z0-9_-]{0,31}", value):
        raise Mistake(
            f"{value!r} is not a valid user name: 1 to 32 of a-z, 0-9, _ and -, not beginning with a digit or -"
        )
    return value


def _ssh_ports(values: Sequence[int]) -> Sequence[int]:
    number_of(values, "ports", _UP_TO_THREE, 2, 3)
    for port in values:
        between(1, 65534)(port)  # learn.microsoft.com, "Load Balancers - REST API", InboundNatRule.frontendPort
        if values.count(port) > 1:
            raise Mistake(f"{port} is listed twice; give each machine its own port")
    if ports.MYSQL in values:
        raise Mistake(f"{ports.MYSQL} is MySQL's; choose another")
    return values


def key_pair(value: str) -> KeyPair:
    """Read a private key: Ed25519, in OpenSSH's form, without a passphrase."""
    try:
        key = sshkeys.parse(value)
    except sshkeys.SshKeyError as error:
        raise Mistake(f"{error}; make one with ssh-keygen -t ed25519 -N ''") from None
    if key.kind != "ssh-ed25519":
        raise Mistake(f"is of type {key.kind}; make one with ssh-keygen -t ed25519 -N ''")
    if key.encrypted:
        raise Mistake("has a passphrase, which nobody could type here; remove it: ssh-keygen -p")
    # `pulumi config set` cuts the last line feed off, without which OpenSSH refuses the file.
    return KeyPair(hidden(value.strip() + "\n"), key.public)


def _host_keys(values: Sequence[str]) -> Sequence[KeyPair]:
    number_of(values, "keys", _UP_TO_THREE, 2, 3)
    keys: list[KeyPair] = []
    for place, value in zip(("the first", "the second", "the third"), values, strict=False):
        try:
            keys.append(key_pair(value))
        except Mistake as mistake:
            raise Mistake(f"{place} {mistake}") from None
    for one, other in itertools.combinations(keys, 2):
        _differ(one, other)
    return keys


def _differ(one: KeyPair | None, other: KeyPair | None) -> None:
    """Check that two keys, where there are two, are not the same: who has one of them must not have both."""
    if one and other and one.public == other.public:
        raise Mistake("is the same key twice; make one for each use")


class SshSection(Section):
    admin_user: Annotated[str, given(text, _admin_user)]
    admin_cidrs: Annotated[tuple[str, ...], given(texts, sources("SSH"))]
    ssh_access: Annotated[Literal["nat-rules", "node-addresses"], given(text, choice("nat-rules", "node-addresses"))]
    ssh_ports: Annotated[tuple[int, ...], given(wholes, _ssh_ports)]
    ssh_private_key: Annotated[KeyPair, given(secret, key_pair)]
    ssh_previous_private_key: Annotated[KeyPair | None, given(optional_secret(key_pair))]
    ssh_host_keys: Annotated[tuple[KeyPair, ...], given(secrets, _host_keys)]
    cluster_ssh_key: Annotated[KeyPair, given(secret, key_pair)]

    @property
    def key_is_changed(self) -> bool:
        """Whether the admin user's key is being changed: a machine may not know the new one yet."""
        return self.ssh_previous_private_key is not None

    def checks(self) -> Iterable[Check]:
        return (
            ("sshPreviousPrivateKey", lambda: _differ(self.ssh_previous_private_key, self.ssh_private_key)),
            ("clusterSshKey", lambda: _differ(self.cluster_ssh_key, self.ssh_private_key)),
            ("clusterSshKey", lambda: _differ(self.cluster_ssh_key, self.ssh_previous_private_key)),
        )
