"""As whom a workflow speaks to Azure: by a token of GitHub's, and no password anywhere."""

import json
import os
import tempfile
import threading
import urllib.parse
import urllib.request
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

# What Azure's token exchange expects a token to be for
# (learn.microsoft.com/entra/workload-id/workload-identity-federation).
_AUDIENCE = "api://AzureADTokenExchange"

# A token of GitHub's is good for minutes only, and an update can take longer than what was got for it is good for. So
# there is always a fresh one: Azure's SDK reads the file anew after 10 minutes (azidentity's workload_identity.go).
_FRESH_SECONDS = 120.0
_SECONDS = 30


@contextmanager
def federated(env: Mapping[str, str], every: float = _FRESH_SECONDS) -> Generator[dict[str, str]]:
    """Keep a file with a token of GitHub's, by which Pulumi's back end and its Key Vault let this workflow in.

    The azure-native provider asks GitHub by itself, with ARM_USE_OIDC.

    Args:
        env: the environment. Where it does not have what GitHub gives to a job with `id-token: write`, nothing is
            done: whoever runs this has a login of their own.
        every: seconds after which the token is renewed.

    Yields:
        The environment for the Pulumi CLI.
    """
    url, secret = env.get("ACTIONS_ID_TOKEN_REQUEST_URL"), env.get("ACTIONS_ID_TOKEN_REQUEST_TOKEN")
    if not url or not secret:
        yield dict(env)
        return
    with tempfile.TemporaryDirectory(prefix="azure-mysql-ha-", dir=env.get("RUNNER_TEMP")) as folder:  # of mode 0700
        file = Path(folder) / "token"
        _write(file, _token(url, secret))
        done = threading.Event()

        def renew() -> None:
            while not done.wait(every):
                try:
                    _write(file, _token(url, secret))
                except OSError as error:
                    print(f"GitHub gives no token now; asking again in {every:.0f} s: {error}", flush=True)

        renewal = threading.Thread(target=renew, daemon=True)
        renewal.start()
        try:
            yield {**env, "AZURE_FEDERATED_TOKEN_FILE": str(file)}
        finally:
            done.set()
            renewal.join()


def _token(url: str, secret: str) -> str:
    request = urllib.request.Request(
        f"{url}&audience={urllib.parse.quote(_AUDIENCE, safe='')}", headers={"Authorization": f"Bearer {secret}"}
    )
    with urllib.request.urlopen(request, timeout=_SECONDS) as response:
        return json.load(response)["value"]


def _write(file: Path, token: str) -> None:
    """Write the file whole, or not at all: it may be read at any moment."""
    new = file.with_suffix(".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(token)
    new.replace(file)
