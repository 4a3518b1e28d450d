"""Monitoring of the nodes by a Prometheus: one that is not the stack's, or one on the witness."""

from collections.abc import Iterable
from typing import Annotated

import pulumi

from components.settings.azure_id import AzureId, id_of
from components.settings.cidr import sources
from components.settings.database import strong
from components.settings.given import boolean, given, hidden, optional, optional_secret, texts
from components.settings.mistake import Mistake
from components.settings.section import Check, Section

# bcrypt looks at no more (Provos and Mazieres, "A Future-Adaptable Password Scheme").
_LONGEST = 72


def _password(value: str) -> pulumi.Output[str]:
    if len(strong(value)) > _LONGEST:
        raise Mistake(f"is longer than {_LONGEST} characters, and the exporters would ignore the rest")
    return hidden(value)


class MonitoringSection(Section):
    """Monitoring of the nodes by a Prometheus: one that is not the stack's, or one on the witness."""

    monitoring: Annotated[bool, given(boolean)]
    monitor_cidrs: Annotated[tuple[str, ...], given(texts)]
    monitor_password: Annotated[pulumi.Output[str] | None, given(optional_secret(_password))]
    monitor_on_witness: Annotated[bool, given(boolean)]
    monitor_workspace_id: Annotated[AzureId | None, given(optional(id_of("Microsoft.Monitor/accounts/NAME")))]

    def checks(self) -> Iterable[Check]:
        return (
            ("monitorCidrs", self._somebody_comes),
            ("monitorPassword", self._has_a_password),
            ("monitorWorkspaceId", self._somebody_writes),
        )

    def _somebody_comes(self) -> None:
        if self.monitoring or self.monitor_cidrs:
            sources("the exporters")(self.monitor_cidrs)

    def _has_a_password(self) -> None:
        if self.monitoring and self.monitor_password is None:
            raise Mistake(f"is missing; make stack STACK={pulumi.get_stack()} makes every secret that is missing")

    def _somebody_writes(self) -> None:
        if self.monitor_workspace_id and not self.monitor_on_witness:
            raise Mistake("is set, but monitorOnWitness is false: there is no Prometheus that would write to it")
