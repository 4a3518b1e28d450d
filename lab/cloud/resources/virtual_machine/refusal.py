"""How the platform refuses a parameter of a machine."""

from lab.cloud.errors import ArmError, bad_request


def invalid(message: str, target: str) -> ArmError:
    """Return the refusal of a parameter."""
    return bad_request("InvalidParameter", message, target)
