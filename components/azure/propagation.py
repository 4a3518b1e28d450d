"""Retries while a new role, identity or right has not spread through Azure."""

import asyncio

import pulumi

# Of assignments; the last, of disks that are encrypted by a key of one's own: their set's right to it is such an
# assignment.
_CODES = ("RoleDefinitionDoesNotExist", "PrincipalNotFound", "KeyVaultAccessForbidden")

# learn.microsoft.com, "Troubleshoot Azure RBAC": changes can take up to 10 minutes to take effect.
_SECONDS = 600
_PAUSE_SECONDS = 15


def asked_again(name: str) -> pulumi.ResourceHookBinding:
    """Return what has a resource be made again while Azure does not know a role, an identity or a right that it needs.

    Args:
        name: the resource's name in the program: an assignment's, or that of what has an encrypted disk.
    """

    async def again(args: pulumi.ErrorHookArgs) -> bool:
        code = next((code for code in _CODES if code in args.errors[0]), None)  # the newest error is the first
        tries = len(args.errors)
        if code is None or args.failed_operation != "create" or tries * _PAUSE_SECONDS > _SECONDS:
            return False
        if tries == 1:
            pulumi.warn(
                f"{name}: Azure has not yet spread the new role, identity or right ({code}); retrying for"
                f" {_SECONDS // 60} minutes"
            )
        await asyncio.sleep(_PAUSE_SECONDS)
        return True

    return pulumi.ResourceHookBinding(on_error=[pulumi.ErrorHook(f"{name}, again", again)])
