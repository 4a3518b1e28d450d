"""Which api-versions a resource type has: a request that speaks another is refused, as Azure refuses it.

known_versions.json has those that the installed packages of Pulumi and Microsoft know; tests/unit/test_requests.py
writes it, since those packages take too long to load here.
"""

import json
from functools import cache
from pathlib import Path

from lab.cloud.errors import bad_request
from lab.cloud.inventory import GROUP

FILE = Path(__file__).with_name("known_versions.json")


@cache
def _versions() -> dict[str, list[str]]:
    found: dict[str, list[str]] = json.loads(FILE.read_text(encoding="utf-8"))
    return {type_.lower(): versions for type_, versions in found.items()}


def of_path(path: str) -> str:
    """Return the newest api-version of what a path is about; a resource group's where nobody knows that one's."""
    provider, *words = path.partition("?")[0].rpartition("/providers/")[2].strip("/").split("/")
    own = "/".join([provider, *words[::2]])
    known = _versions()
    # What is asked of a resource has no versions of its own.
    return known.get(own.lower(), known.get(own.lower().rpartition("/")[0], known[GROUP.lower()]))[-1]


def check(type_: str, version: str) -> None:
    """Refuse an api-version that a resource type does not have.

    Args:
        type_: in any letter case; of one whose versions nobody knows, all are taken.
        version: such as "2024-03-02".

    Raises:
        ArmError: 400, NoRegisteredProviderFound.
    """
    known = _versions().get(type_.lower())
    if known is not None and version.lower() not in known:
        raise bad_request(
            "NoRegisteredProviderFound",
            f"No registered resource provider found for API version '{version}' for type '{type_.partition('/')[2]}'. "
            f"The supported api-versions are '{', '.join(known)}'.",
        )
