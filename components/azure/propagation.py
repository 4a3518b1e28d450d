"""What Azure has just made and does not know everywhere yet: asked for again, in place of an error."""

import asyncio

import pulumi

_CODES = ("RoleDefinitionDoesNotExist", "PrincipalNotFound")

# learn.microsoft.com, "Troubleshoot Azure RBAC": changes can take up to 10 minutes to take effect.
_SECONDS = 600
_PAUSE_SECONDS = 15


def asked_again(name: str) -> pulumi.ResourceHookBinding:
    """Return what has an assignment be tried again while Azure does not know the role or the identity that it names.

    Args:
        name: the assignment's name in the program.
    """

    async def again(args: pulumi.ErrorHookArgs) -> bool:
        code = next((code for code in _CODES if code in args.errors[0]), None)  # the newest error is the first
        tries = len(args.errors)
        if code is None or tries * _PAUSE_SECONDS > _SECONDS:
            return False
        if tries == 1:
            pulumi.warn(
                f"{name}: Azure does not know everywhere yet what it has just made ({code}); tried again for"
                f" {_SECONDS // 60} minutes"
            )
        await asyncio.sleep(_PAUSE_SECONDS)
        return True

    return pulumi.ResourceHookBinding(on_error=[pulumi.ErrorHook(f"{name}, again", again)])
