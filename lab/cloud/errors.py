"""Errors as Resource Manager answers them.

The codes are Azure's own wherever a public trace of them could be found; a code that starts with `Lab`
is this lab's: either Azure's is not known, or the lab cannot do what Azure can.
"""

from typing import Any


class ArmError(Exception):
    """A refusal, with the status and the body that Azure answers.

    Args:
        status: HTTP status, 400 to 599.
        code: machine-readable code, such as `InvalidParameter`.
        message: one sentence or more for a person; never holds a secret.
        target: the property that is at fault, as compute's errors name it.
    """

    def __init__(self, status: int, code: str, message: str, target: str | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.target = target

    def body(self) -> dict[str, Any]:
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.target:
            error["target"] = self.target
        return {"error": error}


def bad_request(code: str, message: str, target: str | None = None) -> ArmError:
    """Return a 400: the request itself is wrong."""
    return ArmError(400, code, message, target)


def conflict(code: str, message: str, target: str | None = None) -> ArmError:
    """Return a 409: the request does not fit what stands."""
    return ArmError(409, code, message, target)


def invalid(message: str, target: str) -> ArmError:
    """Return compute's refusal of a parameter."""
    return bad_request("InvalidParameter", message, target)


def not_in_lab(message: str, target: str | None = None) -> ArmError:
    """Return the refusal of what Azure can do and this lab cannot."""
    return bad_request("LabNotSupported", message, target)
