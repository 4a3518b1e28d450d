"""The fence agents' azure_fence, with a client that fits the SDK of this system. Written by Pulumi.

Debian's fence agent and Debian's Azure SDK do not fit each other, so every action fails before its first request:
fence-agents 4.16 asks for an API version, 2021-11-01, that azure-mgmt-compute 34 has no machines for; 4.17 reads
the default version from where azure-mgmt-compute 38 no longer has it. This module comes before theirs in Python's path,
is theirs, and leaves the version to the SDK. The agent's own files stay as the package has them.
"""

import importlib.util
import sys
from typing import Any

_spec = importlib.util.spec_from_file_location(__name__, "/usr/share/fence/azure_fence.py")
assert _spec
assert _spec.loader
_spec.loader.exec_module(sys.modules[__name__])
_theirs: Any = globals()["get_azure_compute_client"]

COMPUTE_CLIENT_API_VERSION = None  # the SDK's own


def get_azure_compute_client(config: Any) -> Any:
    """Return the SDK's client.

    Args:
        config: the agent's configuration.
    """
    from azure.mgmt.compute import ComputeManagementClient  # only where a client is needed: it takes long to load

    if not hasattr(ComputeManagementClient, "DEFAULT_API_VERSION"):
        ComputeManagementClient.DEFAULT_API_VERSION = None  # pyright: ignore[reportAttributeAccessIssue]
    return _theirs(config)
