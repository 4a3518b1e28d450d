"""The nodes' programs of the backup without Microsoft's client, a package of the nodes and none of the checkout."""

import contextlib
import sys
from collections.abc import Generator
from types import ModuleType

import pytest

_CLIENT = {
    "azure.core.exceptions": ("AzureError", "ResourceExistsError", "ResourceNotFoundError"),
    "azure.identity": ("ManagedIdentityCredential",),
    "azure.storage.blob": ("BlobServiceClient", "LinearRetry"),
}


@contextlib.contextmanager
def stand_in() -> Generator[None]:
    """Have their module of the store loaded with a stand-in, and forgotten afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        for name, members in _CLIENT.items():
            module = ModuleType(name)
            for member in members:
                setattr(module, member, type(member, (Exception,), {}))
            patch.setitem(sys.modules, name, module)
        patch.delitem(sys.modules, "configs.backup.store", raising=False)
        yield
    sys.modules.pop("configs.backup.store", None)
