"""What is asked of Azure's Resource Manager: questions, answers and refusals, without a client."""

from collections.abc import Mapping
from typing import Any, Protocol

from operations.error import OperationError

Json = dict[str, Any]


def items(body: Mapping[str, Any], name: str) -> list[Any]:
    """Return the list of a body under a name; empty where there is none."""
    return body.get(name) or []


def section(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return the object of a body under a name; empty where there is none."""
    return body.get(name) or {}


class Refusal(OperationError):
    """Azure refuses, or does not answer.

    Args:
        status: of HTTP; 0 where there is no answer.
        text: what it says.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Reader(Protocol):
    """Somebody who may read in a subscription."""

    @property
    def subscription(self) -> str:
        """The subscription's path, such as /subscriptions/GUID."""
        ...

    def get(self, path: str, api_version: str, query: Mapping[str, str] | None = None) -> Json:
        """Return what is at a path.

        Args:
            path: from the first slash on.
            api_version: the api-version to speak.
            query: further parameters.

        Raises:
            Refusal: there is none (status 404), or Azure refuses.
        """
        ...

    def post(self, path: str, api_version: str, body: Json) -> Json:
        """Ask a question that has a body; arguments and errors as of `get`."""
        ...
