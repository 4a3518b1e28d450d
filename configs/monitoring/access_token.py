"""Keep a token of this machine's own identity in a file, for Prometheus, which reads it before each request.

Its arguments are whom the token is for, and the file. A token that is over is taken away: with it, Prometheus would be
refused, and drop what it has to write; without one, it tries again until there is one.
"""

import json
import sys
import time
import urllib.parse
import urllib.request
from http.client import HTTPException
from pathlib import Path

SERVICE = "http://169.254.169.254/metadata/identity/oauth2/token"

PAUSE_SECONDS = 30
"""After a refusal, and at least between two questions."""


def ask(audience: str) -> "tuple[str, float]":
    """Return a token, and for how many seconds it is good.

    Raises:
        OSError, HTTPException: nobody answers, or the machine has no identity.
        ValueError, KeyError, TypeError: the answer is no token.
    """
    query = urllib.parse.urlencode({"api-version": "2018-02-01", "resource": audience})
    request = urllib.request.Request(f"{SERVICE}?{query}", headers={"Metadata": "true"})
    # Never by a proxy: the address is the host's own.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=10) as answer:
        told = json.load(answer)
    return str(told["access_token"]), float(told["expires_in"])


def put(file: Path, token: str) -> None:
    """Write the token, at once and whole, for this account alone."""
    new = file.with_name(f"{file.name}.new")
    new.unlink(missing_ok=True)
    new.touch(0o600)
    new.write_text(token, encoding="ascii")
    new.replace(file)


def keep(audience: str, file: Path) -> None:
    """Do so for ever."""
    over = 0.0
    while True:
        try:
            token, seconds = ask(audience)
        except (OSError, HTTPException, ValueError, KeyError, TypeError) as error:
            print(f"no token for {audience}: {error!r}", file=sys.stderr, flush=True)
            if time.monotonic() > over:
                file.unlink(missing_ok=True)
            time.sleep(PAUSE_SECONDS)
        else:
            put(file, token)
            over = time.monotonic() + seconds
            time.sleep(max(seconds / 2, PAUSE_SECONDS))


if __name__ == "__main__":
    keep(sys.argv[1], Path(sys.argv[2]))
