"""TLS: the contexts of a server and of a feed, from what a user gives, and errors in words."""

from __future__ import annotations

import ssl
from pathlib import Path

__all__ = ["Pair", "Trust", "client_context", "lasting_problem", "server_context"]

Pair = tuple[str | Path, str | Path]
Trust = ssl.SSLContext | str | Path

# How OpenSSL says, by version, that what it heard is no TLS.
NO_TLS = {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG", "HTTP_REQUEST"}


def server_context(given: ssl.SSLContext | Pair | None) -> ssl.SSLContext | None:
    """Return the context of a server.

    Args:
        given: a context, the paths of a certificate and of its key, or None for no TLS.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if what is in the files is no certificate with its key.
    """
    if given is None or isinstance(given, ssl.SSLContext):
        return given
    if not isinstance(given, tuple | list) or len(given) != 2:
        raise TypeError("ssl must be an SSLContext, or (certificate, key): the paths of both")
    certificate, key = (_there(path) for path in given)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except ssl.SSLError as error:
        problem = (
            "the key is not that of the certificate"
            if error.reason == "KEY_VALUES_MISMATCH"
            else "they are not a certificate and its key, in PEM"
        )
        raise ValueError(f"ssl=({str(certificate)!r}, {str(key)!r}): {problem}") from error
    return context


def client_context(given: Trust | None) -> ssl.SSLContext | None:
    """Return the context of a feed; None has it verify by what the system trusts.

    Args:
        given: a context, or the path of a certificate to trust, beside no other.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it holds no certificate.
    """
    if given is None or isinstance(given, ssl.SSLContext):
        return given
    if not isinstance(given, str | Path):
        raise TypeError("ssl must be an SSLContext, or the path of a certificate to trust")
    path = _there(given)
    try:
        return ssl.create_default_context(cafile=path)
    except ssl.SSLError as error:
        raise ValueError(f"ssl={str(path)!r}: there is no certificate in it, in PEM") from error


# By OpenSSL's X509_V_ERR_...: has expired, is not of this name, is not of this address.
FIXES = {
    10: "the server needs a new one",
    62: "connect to a name that is in it",
    64: "connect to a name that is in it, perhaps localhost",
}


def lasting_problem(error: BaseException) -> str | None:
    """Return why a connection fails in a way that trying again would not change, else None."""
    if isinstance(error, ssl.SSLCertVerificationError):
        fix = FIXES.get(error.verify_code, "pass ssl= with the path of a certificate to trust")
        return f"its certificate does not verify ({error.verify_message}): {fix}"
    if isinstance(error, ssl.SSLError) and error.reason in NO_TLS:
        return "it does not speak TLS: use ws:// instead of wss://"
    return None


def _no_password() -> str:
    # OpenSSL would ask for it on the terminal, and wait.
    raise ValueError("the key wants a password: pass ssl= an SSLContext that has loaded it with it")


def _there(path: str | Path) -> Path:
    if not Path(path).is_file():
        raise FileNotFoundError(f"ssl: there is no file at {str(path)!r}")
    return Path(path)
