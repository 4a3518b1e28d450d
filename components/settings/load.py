"""From the stack's configuration to its settings, with all mistakes told at once. The only reader of pulumi.Config.

Defaults are in Pulumi.yaml only; the engine passes them to the program.
"""

from collections.abc import Sequence
from typing import TypeVar

import pulumi
from pulumi.runtime.config import CONFIG, get_config_env, is_config_secret

from components.settings import agreement, chosen_once
from components.settings.alerts import AlertsSection
from components.settings.backup import BackupSection
from components.settings.database import DatabaseSection
from components.settings.disks import DisksSection
from components.settings.encryption import EncryptionSection
from components.settings.endpoint import EndpointSection
from components.settings.failover import FailoverSection
from components.settings.fencing import FencingSection
from components.settings.given import Given
from components.settings.machines import MachinesSection
from components.settings.membership import MembershipSection
from components.settings.mistake import Mistake, near
from components.settings.monitoring import MonitoringSection
from components.settings.names import NamesSection
from components.settings.network import NetworkSection
from components.settings.recorded import Recorded
from components.settings.replication import ReplicationSection
from components.settings.section import Section, run
from components.settings.settings import Settings
from components.settings.ssh import SshSection
from components.settings.tls import TlsSection

_NOTHING = Recorded()

S = TypeVar("S", bound=Section)


class SettingsError(pulumi.RunError):
    """Some settings are wrong; the text names all of them. The engine shows it without a traceback.

    Args:
        mistakes: a line for each, beginning with the key.
    """

    def __init__(self, stack: str, mistakes: Sequence[str]) -> None:
        self.mistakes = tuple(mistakes)
        count = "1 mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
        head = f"{count} in the settings of stack {stack}; nothing was changed"
        super().__init__("\n".join([f"{head}:", *(f"  {mistake}" for mistake in mistakes)]))


def load(config: pulumi.Config | None = None, *, before: Recorded = _NOTHING) -> Settings:
    """Read and check all settings of the stack.

    Args:
        config: the project's configuration; by default that of the running program.
        before: what there was before this update; by default nothing.

    Raises:
        SettingsError: something is missing, wrong, or not known; all of it is named.
    """
    reader = _Reader(config or pulumi.Config())
    settings = Settings(
        before=before,
        names=reader.section(NamesSection),
        machines=reader.section(MachinesSection),
        network=reader.section(NetworkSection),
        endpoint=reader.section(EndpointSection),
        disks=reader.section(DisksSection),
        encryption=reader.section(EncryptionSection),
        ssh=reader.section(SshSection),
        database=reader.section(DatabaseSection),
        tls=reader.section(TlsSection),
        backup=reader.section(BackupSection),
        monitoring=reader.section(MonitoringSection),
        alerts=reader.section(AlertsSection),
        failover=reader.section(FailoverSection),
        membership=reader.section(MembershipSection),
        replication=reader.section(ReplicationSection),
        fencing=reader.section(FencingSection),
    )
    run([*agreement.checks(settings), *chosen_once.checks(settings)], reader.note)
    reader.finish()
    system = settings.machines.operating_system
    if system.warning:
        pulumi.log.warn(f"{system.name}: {system.warning}")
    if not settings.replication.replication_encryption:
        pulumi.log.warn("replicationEncryption: off: what DRBD copies from node to node is clear text on the network")
    if settings.network.host_firewall and not settings.has_host_firewall:
        pulumi.log.warn(
            "hostFirewall: not set up: with existingSubnetId the machines' outbound address, needed for a public"
            " endpoint, is unknown; only the subnet's security group filters"
        )
    if settings.lacks_watchdog:
        pulumi.log.warn(
            f"watchdog: {system.name} has none: {settings.lacks_watchdog}. While Azure's API cannot be reached, a node"
            " that fails is not fenced, and nobody serves"
        )
    if settings.watchdog and before.has_data and not before.has_watchdog:
        pulumi.log.warn(
            "watchdog: this update gives both nodes a watchdog, without an interruption; from then on a node that has"
            " lost the other one and the witness is reset. Set watchdog to off to leave them as they are"
        )
    if unknown := settings.server_size.unknown:
        size = settings.machines.vm_size.name
        pulumi.log.warn(
            f"vmSize {size}: this program does not know how much memory it has, so the server keeps its own defaults"
            f" for {' and '.join(unknown)}; mysqlOptions can set them"
        )
    return settings


class _Reader:
    """Reads the sections of one namespace and collects what is wrong with them."""

    def __init__(self, config: pulumi.Config) -> None:
        self._config = config
        self._known: list[str] = []
        self._mistakes: list[tuple[str, Mistake]] = []

    def section(self, kind: type[S]) -> S:
        """Return a section with what is good of it."""
        keys = kind.config_keys()
        self._known += keys
        section = kind.read({key: self._given(key) for key in keys}, self.note)
        run(section.checks(), self.note)
        return section

    def _given(self, key: str) -> Given:
        return Given(self._config.get(key) or "", is_config_secret(self._config.full_key(key)))

    def note(self, key: str, mistake: Mistake) -> None:
        """Note what is wrong with a key's value."""
        self._mistakes.append((key, mistake))

    def finish(self) -> None:
        """Raise SettingsError if there was any mistake, or a key that no section has."""
        prefix = f"{self._config.name}:"
        mistakes = sorted(self._mistakes, key=lambda each: self._known.index(each[0]))
        present = {key.removeprefix(prefix) for key in (*CONFIG.get(), *get_config_env()) if key.startswith(prefix)}
        for key in sorted(present - {*self._known}):
            hint = near(key, self._known) or "; Pulumi.yaml lists them all"
            mistakes.append((key, Mistake(f"there is no such setting{hint}")))
        if mistakes:
            raise SettingsError(pulumi.get_stack(), [f"{prefix}{key}: {mistake}" for key, mistake in mistakes])
