"""RSA keys that are made and read once: to find one takes a fifth of a second, and to prove its primes half of that."""

import functools
import itertools
from collections import defaultdict
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from unittest.mock import patch

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

_read = functools.cache(serialization.load_pem_private_key)
_make = rsa.generate_private_key


@contextmanager
def quick_keys() -> Generator[None]:
    """Give whoever makes keys from here on the first, the second, …: no two are one, and each time the same."""
    numbers = defaultdict[tuple[int, int], Iterator[int]](itertools.count)

    def make(exponent: int, bits: int) -> rsa.RSAPrivateKey:
        return _made(exponent, bits, next(numbers[exponent, bits]))

    with patch.object(rsa, "generate_private_key", make), patch.object(serialization, "load_pem_private_key", _read):
        yield


@functools.cache
def _made(exponent: int, bits: int, number: int) -> rsa.RSAPrivateKey:
    return _make(exponent, bits)
