"""Prints by what clients know the server: `python -m operations.ca --stack STACK >ca.pem`.

It is the certificate of the authority that has issued the server's; and of the next one, between `make rotate` and the
update that brings it, so that clients can know both by then.
"""

import argparse
import sys

from components import certificates
from components.certificates import CertificateError
from operations.command import Command
from operations.error import OperationError
from operations.stack import Stack


def authorities(stack: Stack) -> str:
    """Return the certificates of the authorities, PEM: of the one in use, and of the settings' where it is another.

    Raises:
        OperationError: there is no cluster, or it is from before there were authorities; or the settings are wrong.
    """
    own = stack.settings.get("ownCertificate")
    try:
        coming = (
            certificates.read_brought(own).authority
            if own
            else certificates.read_authority(stack.settings["tlsAuthority"]).certificate
        )
    except CertificateError as error:
        raise OperationError(f"{'ownCertificate' if own else 'tlsAuthority'} {error}") from None
    return "".join(dict.fromkeys([stack.authority, coming]))


def _run(stack: Stack, _options: argparse.Namespace) -> int:
    print(authorities(stack), end="")
    return 0


COMMAND = Command("ca", "Print the certificate that clients check the server against.", _run)

if __name__ == "__main__":
    sys.exit(COMMAND.main())
