"""The Hugging Face hub, or what is kept of it here where it cannot be reached."""

from __future__ import annotations

import functools
import os
import socket
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from zipfit.errors import ZipfitError

if TYPE_CHECKING:
    from collections.abc import Iterator


@functools.cache
def is_reachable(host: str) -> bool:
    """Whether the name of a host is known here, which it is not without a network; a proxy would know it."""
    from urllib.request import getproxies  # which loads all of HTTP and TLS

    if getproxies():
        return True
    try:
        socket.getaddrinfo(host, 443)
    except OSError:
        return False
    return True


@contextmanager
def hub_or_cache(name: str, what: str, instead: str) -> Iterator[None]:
    """Have the hub's library look in its cache alone where there is no network, instead of trying for half a minute.

    Args:
        name: what is loaded: a name on the hub or, for which nothing changes, a path.
        what: how messages begin.
        instead: what to do without a network.

    Raises:
        ZipfitError: there is no network, and the cache has not all that is loaded.
    """
    from huggingface_hub import constants

    host = urlsplit(os.environ.get("HF_ENDPOINT") or constants.ENDPOINT).hostname or ""
    if constants.HF_HUB_OFFLINE or Path(name).exists() or is_reachable(host):
        yield
        return
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    except Exception as error:  # the libraries raise many kinds
        raise ZipfitError(f"{what}: is not in the hub's cache, and {host} cannot be reached: {instead}") from error
    finally:
        constants.HF_HUB_OFFLINE = False
