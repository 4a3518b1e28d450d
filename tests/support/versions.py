"""The api-versions of Azure's resource types, as far as the installed packages of Microsoft and Pulumi know them."""

import importlib
import re
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from lab.azure_native.sdk import PATHS
from tests.support.microsoft import MODELS

# What a version is called in the SDK's names of modules: v20240601, v20241001preview.
_MODULE = re.compile(r":\w+/v(\d{4})(\d\d)(\d\d)([a-z]*):")
_USED = re.compile(r"Uses Azure REST API version ([\w-]+)\.")
# What Microsoft's clients build a request of.
_DEFAULT = re.compile(r'pop\("api-version", "([\w-]+)"\)')
_URL = re.compile(r'"(/[^"\s]*/providers/[^"\s]+)"')
_GROUP = re.compile(r'"/subscriptions/\{\w+\}/resource[gG]roups/\{\w+\}"')


def versions(types: Iterable[str]) -> dict[str, list[str]]:
    """Return the api-versions of some resource types, sorted: those that the SDK ever had, and those of the clients.

    Args:
        types: in Azure's spelling, such as "Microsoft.Compute/disks".
    """
    known = _of_the_sdk()
    for name, found in _of_the_clients().items():
        known[name] |= found
    return {type_: sorted(known[type_.lower()]) for type_ in types}


def _of_the_sdk() -> defaultdict[str, set[str]]:
    """Each class of the SDK names its version, and the former ones: as aliases, so that no resource is made again."""
    found = defaultdict[str, set[str]](set)
    for token, path in PATHS.items():
        _, module, class_name = token.split(":")
        resource = getattr(importlib.import_module(f"pulumi_azure_native.{module}"), class_name)
        text = Path(sys.modules[resource.__module__].__file__ or "").read_text(encoding="utf-8")
        former = {
            f"{year}-{month}-{day}{f'-{kind}' if kind else ''}" for year, month, day, kind in _MODULE.findall(text)
        }
        found[_type_of(path)] |= {*_USED.findall(text), *former}
    return found


def _of_the_clients() -> defaultdict[str, set[str]]:
    found = defaultdict[str, set[str]](set)
    for package in {module.partition(".models")[0] for module, _ in MODELS.values()}:
        folder = Path(importlib.import_module(f"{package}.operations").__file__ or "").parent
        for file in folder.glob("*operations.py"):
            for request in file.read_text(encoding="utf-8").split("\ndef build_")[1:]:
                head = request[:4000]  # as long as what builds one; the last is followed by all else
                version, url = _DEFAULT.search(head), _URL.search(head) or _GROUP.search(head)
                if version and url:
                    found[_type_of(url[1] if url.re is _URL else "")].add(version[1])
    return found


def _type_of(path: str) -> str:
    """Return the resource type of a path, in small letters; one without a provider is a resource group's."""
    if "/providers/" not in path:
        return "microsoft.resources/resourcegroups"
    provider, *words = path.rpartition("/providers/")[2].split("/")
    return "/".join([provider, *words[::2]]).replace("{recordType}", "A").lower()
