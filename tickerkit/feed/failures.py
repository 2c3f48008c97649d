"""Failures: why a connection attempt failed, and whether a further attempt would fail, too."""

from __future__ import annotations

import errno
from ssl import SSLEOFError

from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidStatus,
    InvalidURI,
    ProxyError,
)
from websockets.http11 import Response

from tickerkit.net.tls import find_permanent_problem
from tickerkit.runtime.error_log import describe

__all__ = ["explain_failure"]

FINAL_STATUS = {
    400: "this address is not a websocket",
    401: "the server requires a token; pass token=",
    403: "the server refused the connection",
    404: "there is nothing at this path",
    405: "this address is not a websocket",
    426: "this address is not a websocket, or requires another protocol",
}


def explain_failure(error: Exception, timeout_s: float, *, is_tls: bool) -> tuple[str, bool]:
    """Return why a connection attempt failed, and whether further attempts would fail too."""
    match error:
        case InvalidStatus():
            return _explain_status(error.response)
        case InvalidURI():
            return f"this is not the address of a websocket: {error.msg}", True
        case InvalidHandshake() if isinstance(error.__cause__, EOFError):
            hint = "" if is_tls else " (if it uses TLS, connect to wss://)"
            return f"the server closed the connection during the handshake{hint}", False
        case InvalidHandshake():
            problem = describe(error.__cause__ or error)
            if isinstance(error, ProxyError):
                return problem, False
            return f"the server there does not speak the websocket protocol ({problem})", True
        case TimeoutError():
            return f"no answer within {timeout_s:.3g} s", False
        case OSError() | ConnectionClosed():
            if (lasting := find_permanent_problem(error)) is not None:
                return lasting, True
            hint = " (if the server doesn't use TLS, connect to ws://)"
            may_be_plain = is_tls and isinstance(error, ConnectionResetError | SSLEOFError)
            return _explain_os_error(error) + (hint if may_be_plain else ""), False
    return describe(error), True


def _explain_status(response: Response) -> tuple[str, bool]:
    """Return what an HTTP answer means, and whether further attempts would get the same one."""
    code = response.status_code
    body = bytes(response.body or b"").decode("utf-8", "replace").strip()
    # Show plain text only: an HTML page is not readable in a status.
    text = f": {body.splitlines()[0][:200]}" if body and "<" not in body else ""
    if code in FINAL_STATUS or 200 <= code < 400:
        reason = FINAL_STATUS.get(code, "this address is not a websocket")
        return f"{reason} (HTTP {code}){text}", True
    return f"the server answers HTTP {code}{text}", False


def _explain_os_error(error: Exception) -> str:
    """Return why a connection could not be made, without error numbers."""
    # For a name with several addresses, asyncio raises one OSError without an errno. Only its text
    # has the errors of all of them.
    if isinstance(error, ConnectionRefusedError) or f"[Errno {errno.ECONNREFUSED}]" in str(error):
        return "nothing listens there yet"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}".lower()
    return describe(error)
