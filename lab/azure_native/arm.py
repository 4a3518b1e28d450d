"""Azure Resource Manager, for many requests at a time. Nothing is asked of anybody before the first one."""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from .account import Account
from .errors import ArmError, body_of, refusal
from .values import Object

if TYPE_CHECKING:
    from .session import Answer, Session

_MOST_AT_ONCE = 64

_Result = TypeVar("_Result")


class Arm:
    """A client of ARM for one account."""

    def __init__(self, account: Account, user_agent: str) -> None:
        self._account = account
        self._user_agent = user_agent
        self._pool = ThreadPoolExecutor(_MOST_AT_ONCE, thread_name_prefix="arm")
        self._lock = threading.Lock()
        self._session: Session | None = None
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """Give up everything that is under way."""
        self._cancelled.set()

    async def get(self, path: str, api_version: str) -> Object:
        """Return a resource.

        Raises:
            ArmError: there is none (status 404), or ARM refused.
        """
        answer = await self._in_thread(lambda: self._send("GET", path, api_version))
        if answer.http_response.status_code != 200:
            raise refusal(answer.http_response)
        return body_of(answer.http_response)

    async def put(self, path: str, api_version: str, body: Object, seconds: float) -> Object:
        """Create or change a resource, and wait until ARM is done with it.

        Args:
            seconds: how long to wait at most.

        Returns:
            The resource as it is then, as far as ARM has told.

        Raises:
            ArmError: ARM refused; `accepted` if only after it had begun.
        """
        deadline = time.monotonic() + seconds
        answer = await self._in_thread(lambda: self._send("PUT", path, api_version, body))
        if answer.http_response.status_code not in (200, 201, 202):
            raise refusal(answer.http_response)
        try:
            return await self._in_thread(lambda: self._connected().finish(answer, deadline))
        except ArmError as error:
            error.accepted = True
            raise

    async def delete(self, path: str, api_version: str, seconds: float) -> None:
        """Delete a resource and wait until it is gone; one that is not there is fine.

        Args:
            seconds: how long to wait at most.
        """
        deadline = time.monotonic() + seconds
        try:
            answer = await self._in_thread(lambda: self._send("DELETE", path, api_version))
            if answer.http_response.status_code not in (200, 202, 204):
                raise refusal(answer.http_response)
            await self._in_thread(lambda: self._connected().finish(answer, deadline))
        except ArmError as error:
            if error.status != 404:
                raise

    async def _in_thread(self, call: Callable[[], _Result]) -> _Result:
        return await asyncio.get_running_loop().run_in_executor(self._pool, call)

    def _send(self, method: str, path: str, api_version: str, body: Object | None = None) -> "Answer":
        session = self._connected()
        answer = session.send(method, path, api_version, body)
        if answer.http_response.status_code != 401:
            return answer
        with self._lock:
            if self._session is session:
                self._session = None  # its tokens are no good
        return self._connected().send(method, path, api_version, body)

    def _connected(self) -> "Session":
        # Azure's libraries take most of a second to load, and a preview without news asks nothing.
        from .session import connect

        with self._lock:
            if self._session is None:
                self._session = connect(self._account, self._user_agent, self._cancelled, _MOST_AT_ONCE)
            return self._session
