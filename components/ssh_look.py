"""A look from this machine at whether SSH answers on another, before a script goes there.

The command provider tells why a dial has failed only when it gives up, which takes many minutes where packets are
dropped on the way; and it waits for ever for a server that takes the connection and says nothing.
"""

import asyncio
import os
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

import pulumi

_ONE_LOOK_SECONDS = 10.0
_PAUSE_SECONDS = 3.0
# A server that counts connections without a login against their source (sshd_config(5), PerSourcePenalties) forgets
# one of them in a second.
_GOOD_FOR_SECONDS = 60.0


class SilentError(Exception):
    """SSH does not answer; the text is one line."""


class SshLook:
    """Looks at one machine's SSH, as a hook of the scripts that go there.

    Args:
        machine: its name.
        tell: takes one line, a warning for the user.
        tell_after: seconds without an answer after which the user is told why that may be.
        give_up_after: seconds without an answer after which no script is sent. A machine of Azure's lets in within a
            minute or two of its start.
    """

    def __init__(
        self,
        machine: str,
        tell: Callable[[str], None] = pulumi.warn,
        *,
        tell_after: float = 30.0,
        give_up_after: float = 300.0,
    ) -> None:
        self._machine = machine
        self._tell = tell
        self._tell_after = tell_after
        self._give_up_after = give_up_after
        self._one_at_a_time = asyncio.Lock()
        self._answered = -_GOOD_FOR_SECONDS
        self._told = False

    def hook(self) -> pulumi.ResourceHookBinding:
        """Return what has a script wait for an answer before it is run, and fail without one."""
        hook = pulumi.ResourceHook(f"SSH to {self._machine}", self._before_script)
        return pulumi.ResourceHookBinding(before_create=[hook], before_update=[hook])

    async def _before_script(self, args: pulumi.ResourceHookArgs) -> None:
        inputs = pulumi.Output.from_input(cast(dict[str, Any], args.new_inputs)["connection"])
        connection = cast(dict[str, Any], await inputs.future())
        await self.wait(connection["host"], int(connection["port"]))

    async def wait(self, host: str, port: int) -> None:
        """Return when SSH has answered.

        Args:
            host: name or address.
            port: TCP port.

        Raises:
            SilentError: it does not; or the agent of SSH_AUTH_SOCK, which the provider insists on, does not.
        """
        await _check_agent()
        begin = time.monotonic()
        async with self._one_at_a_time:
            while time.monotonic() - self._answered > _GOOD_FOR_SECONDS:
                why = await _look(host, port)
                now = time.monotonic()
                if not why:
                    self._answered = now
                    return
                silence = (
                    f"no SSH to {self._machine} at {host}:{port} for {now - begin:.0f} s ({why}): is this machine in"
                    " adminCidrs, and is that machine up?"
                )
                if now - begin >= self._give_up_after:
                    raise SilentError(silence)
                if not self._told and now - begin >= self._tell_after:
                    self._tell(silence)
                    self._told = True
                await asyncio.sleep(_PAUSE_SECONDS)


async def _look(host: str, port: int) -> str:
    """Return why there is no answer; empty where there is one."""
    try:
        async with asyncio.timeout(_ONE_LOOK_SECONDS):
            reader, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        return "no answer"
    except OSError as error:
        return os.strerror(error.errno) if error.errno else str(error)
    try:
        async with asyncio.timeout(_ONE_LOOK_SECONDS):
            greeting = await reader.readline()
    except TimeoutError:
        return "it accepts the connection and says nothing"
    except (OSError, ValueError):
        greeting = b""
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
    # RFC 4253, 4.2
    return "" if greeting.startswith(b"SSH-") else "the connection is closed at once"


async def _check_agent() -> None:
    path = os.environ.get("SSH_AUTH_SOCK")
    if not path:
        return
    try:
        _, writer = await asyncio.open_unix_connection(path)
    except OSError:
        raise SilentError(
            f"SSH_AUTH_SOCK names {path}, but no agent answers there: unset it, and run pulumi up again"
        ) from None
    writer.close()
