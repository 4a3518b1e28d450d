"""What the cluster is called in Azure, and where it is."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated

from components.settings.given import given, mapping, number_of, optional, text, texts
from components.settings.mistake import Mistake
from components.settings.section import Check, Section


def cluster_name(value: str) -> str:
    # 33: with "-r0" it names a GPT partition, for which there is room for 36 characters.
    if not re.fullmatch(r"[a-z]([a-z0-9-]{0,31}[a-z0-9])?", value):
        raise Mistake(
            f"{value!r} is not a valid cluster name: 1 to 33 of a-z, 0-9 and -, beginning with a letter"
            " and not ending with -"
        )
    return value


def _node_names(values: Sequence[str]) -> Sequence[str]:
    number_of(values, "names", "a cluster has 2 nodes", 0, 2)
    for value in values:
        if not re.fullmatch(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", value) or value == "localhost":
            raise Mistake(
                f"{value!r} is not a valid host name: 1 to 63 of a-z, 0-9 and -, beginning with a letter"
                " and not ending with -"
            )
    if len({*values}) < len(values):
        raise Mistake(f"both nodes are called {values[0]!r}; give them different names")
    return values


def _location(value: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9]+", value):
        meant = re.sub(r"[^a-z0-9]", "", value.lower())
        hint = f"; did you mean {meant}?" if meant else "; an example is westeurope"
        raise Mistake(f"{value!r} is not the name of an Azure region{hint}")
    return value


def _resource_group(value: str) -> str:
    if not re.fullmatch(r"[-\w.()]{0,89}[-\w()]", value, re.ASCII):
        raise Mistake(
            f"{value!r} is not a valid resource group name: 1 to 90 of A-Z, a-z, 0-9, _-.(), not ending with ."
        )
    return value


def _tags(values: Mapping[str, str]) -> Mapping[str, str]:
    if len(values) > 50:
        raise Mistake(f"has {len(values)} tags; Azure accepts at most 50")
    seen: set[str] = set()
    for name, value in values.items():
        if not 1 <= len(name) <= 512 or set(name) & set("<>%&\\?/"):
            raise Mistake(f"{name!r} is not a valid tag name: 1 to 512 characters, none of <>%&\\?/")
        if name.lower().startswith(("microsoft", "azure", "windows")):
            raise Mistake(f"{name!r} begins with a word that Azure reserves")
        if name.lower() in seen:
            raise Mistake(f"{name!r} is listed twice; Azure does not distinguish upper and lower case")
        seen.add(name.lower())
        if len(value) > 256:
            raise Mistake(f"{name!r} has a value of {len(value)} characters; Azure accepts at most 256")
    return values


class NamesSection(Section):
    """What the cluster is called in Azure, and where it is."""

    cluster_name: Annotated[str, given(text, cluster_name)]
    node_names: Annotated[tuple[str, ...], given(texts, _node_names)]
    location: Annotated[str, given(text, _location)]
    existing_resource_group: Annotated[str | None, given(optional(_resource_group))]
    tags: Annotated[dict[str, str], given(mapping, _tags)]

    @property
    def nodes(self) -> tuple[str, str]:
        first, second = self.node_names or (f"{self.cluster_name}-1", f"{self.cluster_name}-2")
        return first, second

    @property
    def witness(self) -> str:
        return f"{self.cluster_name}-witness"

    @property
    def own_resource_group(self) -> str:
        """The resource group that the stack makes, unless it uses another."""
        return f"rg-{self.cluster_name}"

    @property
    def resource_group(self) -> str:
        return self.existing_resource_group or self.own_resource_group

    def checks(self) -> Iterable[Check]:
        return (("nodeNames", self._witness_has_its_own), ("existingResourceGroup", self._group_is_not_our_own))

    def _witness_has_its_own(self) -> None:
        if self.witness in self.nodes:
            raise Mistake(f"{self.witness} is the witness's name; choose another")

    def _group_is_not_our_own(self) -> None:
        # Taken out of the program, the group that it has made would be deleted with all that is in it.
        if (group := self.existing_resource_group) and group.lower() == self.own_resource_group:
            raise Mistake(f"{group} is the group that this stack makes for itself; leave this setting out")
