"""Requests to one web server: allowed schemes and hosts, waiting times that the server asks for, and retries."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http.client import HTTPException, HTTPMessage
from typing import IO, Any, TypeVar
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
)

from asdkit.errors import AsdkitWarning, DataError
from asdkit.text import printable
from asdkit.version import __version__

AGENT = f"asdkit/{__version__}"
_TOO_MANY, _UNAVAILABLE = 429, 503  # with a header Retry-After (RFC 9110, section 10.2.3)
_TRANSIENT = (_TOO_MANY, 500, 502, _UNAVAILABLE, 504)
_REPORTED = 5.0  # s of waiting from which on a warning says so

Value = TypeVar("Value")


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how long to retry when a server stalls, refuses or breaks the connection.

    Attributes
    ----------
    timeout
        Seconds without data before a connection is given up.
    tries
        Consecutive tries without new data before giving up.
    pause
        Seconds before the second try; doubled for each further one.
    longest
        Longest wait [s]; a server that asks for more is given up.
    """

    timeout: float = 30.0
    tries: int = 5
    pause: float = 2.0
    longest: float = 900.0

    def wait(self, failures: int, error: Exception | None = None) -> None:
        """Wait before the next try: with exponential back-off, and at least as long as the server asked for.

        Raises
        ------
        DataError
            If the server asks for more than `longest` seconds.
        """
        asked = retry_after(error)
        seconds = max(asked or 0.0, min(self.pause * 2 ** (failures - 1), self.longest))
        if seconds > self.longest:
            raise DataError(f"the server asks to wait {seconds:.0f} s ({error})", hint="Run the command again later.")
        if seconds >= _REPORTED:
            cause = f"the server asks for it ({error})" if asked is not None else f"{error}"
            warnings.warn(f"waiting {seconds:.0f} s: {cause}", AsdkitWarning, stacklevel=3)
        time.sleep(seconds)


def with_retries(call: Callable[[], Value], retry: RetryPolicy) -> Value:
    """Call until it succeeds; connection errors and busy servers are retried, other answers are final.

    Raises
    ------
    OSError, HTTPException
        The error of the last try.
    """
    for failures in range(1, retry.tries):
        try:
            return call()
        except (OSError, HTTPException) as error:
            if is_final(error):
                raise
            retry.wait(failures, error)
    return call()


def open_url(url: str, server: str, retry: RetryPolicy, begun: int = 0) -> Any:
    """Request a file from byte `begun` on; the status of the answer says whether the server did that.

    Raises
    ------
    DataError
        If the address, or one that it redirects to, is not on `server` (or a subdomain of it, by https).
    OSError, HTTPException
        If there is no answer, or an error.
    """
    _require_allowed(url, server)
    headers = {"User-Agent": AGENT} | ({"Range": f"bytes={begun}-"} if begun else {})
    opener = OpenerDirector()  # without the handlers of ftp:, file: and data:
    for handler in (
        ProxyHandler(),
        HTTPHandler(),
        HTTPSHandler(),
        HTTPDefaultErrorHandler(),
        HTTPErrorProcessor(),
        _Redirects(server),
    ):
        opener.add_handler(handler)
    return opener.open(Request(url, headers=headers), timeout=retry.timeout)  # noqa: S310  # checked above


def is_final(error: Exception) -> bool:
    """Whether an answer will be the same at the next try, such as 404 or a redirect that is not allowed."""
    return isinstance(error, HTTPError) and error.code not in _TRANSIENT


def retry_after(error: Exception | None) -> float | None:
    """Return the seconds that a busy server asks to wait, or None."""
    if not isinstance(error, HTTPError) or error.code not in (_TOO_MANY, _UNAVAILABLE):
        return None
    value = (error.headers.get("Retry-After") or "").strip()
    if value.isdecimal():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None


class _Redirects(HTTPRedirectHandler):
    """Follow redirects on the same server only."""

    def __init__(self, server: str) -> None:
        self._server = server

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        _require_allowed(newurl, self._server)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _require_allowed(url: str, server: str) -> None:
    asked, allowed = urlsplit(url), urlsplit(server)
    if (asked.scheme, asked.netloc) == (allowed.scheme, allowed.netloc) and asked.scheme in ("http", "https"):
        return
    host, parent = asked.hostname or "", allowed.hostname or ""
    if asked.scheme == "https" and asked.port in (None, 443) and (host == parent or host.endswith(f".{parent}")):
        return
    raise DataError(f"{printable(url)}: not on {server}; refused", hint="Only that server and its subdomains are used.")
