"""Files on the web, and what else has no known size."""

from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

MAX_DOWNLOAD = 200_000_000
"""Files of more bytes are not fetched, nor read from a pipe."""

FETCH_SECONDS = 30.0
"""A server that says nothing for so long is given up."""


def ask(address: str, method: str = "GET", seconds: float = FETCH_SECONDS) -> Any:
    """Asks the server of an http(s) address.

    Returns:
        The answer: opened for reading, to be used in a `with` statement.

    Raises:
        ValueError: there is none, or it is an error. The sentence names the address.
    """
    # Letters and blanks, as a browser shows them, have to be encoded.
    encoded = quote(address, safe="%/:?#[]@!$&'()*+,;=~")
    try:
        return urlopen(Request(encoded, method=method, headers={"User-Agent": "modeling-fer"}), timeout=seconds)
    except HTTPError as error:
        raise ValueError(f"{address} cannot be fetched: the server answers {error.code}.") from error
    except (OSError, ValueError, HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise ValueError(f"{address} cannot be fetched: {getattr(reason, 'strerror', None) or reason}.") from error


def fetch(address: str) -> bytes:
    """The content of a file on the web.

    Raises:
        ValueError: it cannot be had, or is too large. The sentence names the address.
    """
    with ask(address) as answer:
        try:
            return read_limited(answer, address)
        except (OSError, HTTPException) as error:
            raise ValueError(f"{address} cannot be fetched: {error or type(error).__name__}.") from error


def read_limited(opened: Any, name: str) -> bytes:
    """What an open file gives that may have no end.

    Raises:
        ValueError: it is too much. The sentence has the name.
    """
    content: bytes = opened.read(MAX_DOWNLOAD + 1)
    if len(content) > MAX_DOWNLOAD:
        raise ValueError(f"{name} has over {MAX_DOWNLOAD // 1_000_000} MB, which is too much for a photo.")
    return content
