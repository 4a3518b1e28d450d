"""The storage account, by Microsoft's client in its distribution's package, as this machine's own identity.

The nodes may read and write, and not delete; and nothing is written over, but the small files of the state.
"""

import re
from collections.abc import Iterator
from typing import Any, Protocol

from azure.core.exceptions import AzureError, ResourceExistsError, ResourceNotFoundError
from azure.identity import ManagedIdentityCredential
from azure.storage.blob import BlobServiceClient, LinearRetry

from .blobs import CONTAINER, SEEN, STATE_CONTAINER
from .chain import Chain
from .documents import Seen, from_json

# The client's own newest version may be one that no server has yet: distributions package previews of it.
_API_VERSION = "2021-08-06"

_MIB = 1 << 20
# What a blob can have.
_BLOCKS = 50_000


class Stream(Protocol):
    """What is read by pieces until there is no more."""

    def read(self, size: int = -1) -> bytes: ...


class StoreError(Exception):
    """The store does not answer, or refuses; one line."""


class Absent(StoreError):
    """There is no such blob."""


class Store:
    """One account.

    Args:
        account: its name.
        patient: whether to try again for five minutes, and not for seconds: where hours of work would be lost.
        largest: how many bytes a blob may have at most.
    """

    def __init__(self, account: str, *, patient: bool = False, largest: int = 0) -> None:
        self.account = account
        tries, seconds = (30, 10) if patient else (2, 2)
        retry = LinearRetry(
            backoff=seconds, retry_total=tries, retry_connect=tries, retry_read=tries, retry_status=tries
        )
        self._service: Any = BlobServiceClient(
            f"https://{account}.blob.core.windows.net",
            credential=ManagedIdentityCredential(),
            api_version=_API_VERSION,
            retry_policy=retry,
            connection_timeout=10,
            read_timeout=60,
            # One block is in memory at a time.
            max_block_size=max(4 * _MIB, -(-largest // (_BLOCKS * _MIB)) * _MIB),
            max_single_put_size=4 * _MIB,
        )

    def _blob(self, name: str, container: str) -> Any:
        return self._service.get_blob_client(container, name)

    def names(self, prefix: str = "") -> list[str]:
        """Return the names of all blobs of the backup that begin so.

        Raises:
            StoreError: as for all that follows.
        """
        try:
            found: Any = self._service.get_container_client(CONTAINER).list_blobs(name_starts_with=prefix or None)
            return [blob.name for blob in found]
        except AzureError as error:
            raise StoreError(_line(error)) from error

    def add(self, name: str, content: Stream | bytes) -> None:
        """Add a blob; one that is there stays as it is. It is there when it is whole, and not before."""
        try:
            self._blob(name, CONTAINER).upload_blob(content, overwrite=False, max_concurrency=1)
        except ResourceExistsError:
            return
        except AzureError as error:
            raise StoreError(_line(error)) from error

    def pieces(self, name: str) -> Iterator[bytes]:
        """Yield a blob's content by pieces."""
        try:
            yield from self._blob(name, CONTAINER).download_blob(max_concurrency=1).chunks()
        except ResourceNotFoundError as error:
            raise Absent(f"{name} is not there") from error
        except AzureError as error:
            raise StoreError(_line(error)) from error

    def read(self, name: str) -> str:
        """Return a small blob's text."""
        return self._text(name, CONTAINER)

    def read_state(self, name: str) -> str:
        """Return the text of a small file of the state."""
        return self._text(name, STATE_CONTAINER)

    def _text(self, name: str, container: str) -> str:
        try:
            content: bytes = self._blob(name, container).download_blob().readall()
        except ResourceNotFoundError as error:
            raise Absent(f"{name} is not there") from error
        except AzureError as error:
            raise StoreError(_line(error)) from error
        return content.decode(errors="replace")

    def write_state(self, name: str, text: str) -> None:
        """Write a small file of the state, over the one that is there."""
        try:
            self._blob(name, STATE_CONTAINER).upload_blob(text.encode(), overwrite=True)
        except AzureError as error:
            raise StoreError(_line(error)) from error

    def chain(self) -> Chain:
        """Return all that the backup has."""
        try:
            seen = from_json(Seen, self.read_state(SEEN))
        except (Absent, ValueError):
            seen = None
        return Chain(self.names(), seen)


def _line(error: AzureError) -> str:
    """Return one line that says what the matter is."""
    code = getattr(error, "error_code", None)
    # The client of HTTP names an object of its own first.
    text = re.sub(r"^<[^>]*>: ", "", " ".join(str(error).split()))
    return f"{code}: {text}"[:300] if code else text[:300]
