"""How the platform refuses a parameter of a machine."""

from lab.cloud.errors import ArmError, bad_request


def invalid(message: str, target: str) -> ArmError:
    return bad_request("InvalidParameter", message, target)
