"""How the stand-in waits for what ARM has begun: as Azure's clients do, and more often."""

import time
import urllib.parse
from typing import Any, cast

from azure.mgmt.core.polling.arm_polling import ARMPolling

from .errors import ArmError

# Between two looks where ARM names no time. The real plug-in waits 10 s, which would be most of the lab's time.
_FIRST_SECONDS = 0.2
_LONGEST_SECONDS = 2.0


class Polling(ARMPolling):
    """Looks at a long-running operation until it has ended.

    Args:
        management: ARM's address; no other host is asked, since a token goes with each request.
        deadline: when to give up, of the monotonic clock.
    """

    def __init__(self, management: str, deadline: float) -> None:
        super().__init__(timeout=_FIRST_SECONDS)
        self._management = urllib.parse.urlsplit(management)
        self._deadline = deadline

    def request_status(self, status_link: str) -> Any:
        """Look once.

        Raises:
            ArmError: ARM has named another host to look at.
        """
        link = urllib.parse.urlsplit(status_link)
        if (link.scheme, link.netloc) != (self._management.scheme, self._management.netloc):
            raise ArmError(f"ARM refers to another host, {link.netloc!r}, for the rest of an operation")
        return cast(Any, super().request_status(status_link))

    def _extract_delay(self) -> float:
        seconds = super()._extract_delay()
        self._timeout = min(self._timeout * 1.5, _LONGEST_SECONDS)
        return seconds

    def _sleep(self, delay: float) -> None:
        rest = self._deadline - time.monotonic()
        if rest <= 0:
            raise ArmError("the operation did not end in time")
        super()._sleep(min(delay, rest))
