"""What ARM refuses: its code and message in one line, and no secret."""

from typing import TYPE_CHECKING, cast

from .values import Object, Value, is_object

if TYPE_CHECKING:
    from azure.core.rest import HttpResponse


class ArmError(Exception):
    """ARM refused, or could not be asked.

    Args:
        status: HTTP status; 0 where there was no answer.
        accepted: whether ARM had taken the request on, so that something may be there now.
    """

    def __init__(self, message: str, status: int = 0, accepted: bool = False) -> None:
        super().__init__(" ".join(message.split()))
        self.status = status
        self.accepted = accepted


class StoppedError(ArmError):
    """The engine asked to stop."""


def body_of(response: "HttpResponse") -> Object:
    """Return the JSON object in an answer; empty where there is none."""
    text = response.text()
    try:
        decoded: Value = response.json() if text.strip() else {}
    except ValueError:
        decoded = {"error": {"code": "NoJson", "message": text[:200]}}
    return cast(Object, decoded) if is_object(decoded) else {}


def refusal(response: "HttpResponse", accepted: bool = False) -> ArmError:
    """Return ARM's error as the real plug-in prints it: status, code, message, and the details' codes and messages.

    Args:
        response: the refusal; or the last answer of a long-running operation, which may have failed in a good one.
    """
    body, status = body_of(response), response.status_code
    if status < 400 and "error" not in body:
        properties = body.get("properties")
        state = (cast(Object, properties) if is_object(properties) else {}).get("provisioningState")
        state = state or body.get("status")
        return ArmError(f'Code="{state}" Message="provisioning ended in state {state}"', accepted=accepted)
    inner = body.get("error", body)
    error = cast(Object, inner) if is_object(inner) else {}
    listed = error.get("details")
    details = cast("list[Object]", listed) if isinstance(listed, list) else []
    text = f"Status={status} " if status >= 400 else ""
    text += _coded(error.get("code") or "Unknown", error.get("message") or error.get("Message") or "no message")
    text += "".join(
        f" Detail: {_coded(item.get('code', ''), item.get('message', ''))}" for item in details if is_object(item)
    )
    return ArmError(text, status, accepted)


def _coded(code: Value, message: Value) -> str:
    return f'Code="{code}" Message="{message}"'
