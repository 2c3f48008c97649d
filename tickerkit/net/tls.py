"""TLS: contexts for a server and for a feed from their `ssl` argument, and errors with a fix."""

from __future__ import annotations

import ssl
from pathlib import Path

from tickerkit.errors import InvalidArgument, InvalidType
from tickerkit.validation import check_path

__all__ = [
    "CertificateFiles",
    "Trust",
    "find_permanent_problem",
    "make_client_context",
    "make_server_context",
]

CertificateFiles = tuple[str | Path, str | Path]
Trust = ssl.SSLContext | str | Path

# The reasons that versions of OpenSSL give if the peer does not use TLS.
NOT_TLS = {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG", "HTTP_REQUEST"}

# By OpenSSL's X509_V_ERR_...: certificate expired, host name mismatch, IP address mismatch.
FIXES = {
    10: "the server needs a new certificate",
    62: "connect to a name that the certificate lists",
    64: "connect to a name that the certificate lists, perhaps localhost",
}


def make_server_context(given: ssl.SSLContext | CertificateFiles | None) -> ssl.SSLContext | None:
    """Return the TLS context of a server.

    Args:
        given: a context; the paths of a certificate and of its key, both in PEM; or None for no
            TLS.

    Raises:
        FileNotFoundError: if a file does not exist.
        InvalidArgument: if the files are not a certificate and its key.
    """
    if given is None or isinstance(given, ssl.SSLContext):
        return given
    if not isinstance(given, tuple | list) or len(given) != 2:
        expected = "an SSLContext, or the paths of both files: (certificate, key)"
        raise InvalidType("ssl", given, expected)
    certificate, key = (_check_path(path) for path in given)

    def refuse_password() -> str:
        # Without this callback OpenSSL would prompt on the terminal, and block.
        expected = "an SSLContext that loaded it with its password, since the key is encrypted"
        raise InvalidArgument("ssl", (str(certificate), str(key)), expected)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key, password=refuse_password)
    except ssl.SSLError as error:
        expected = (
            "a key that belongs to the certificate"
            if error.reason == "KEY_VALUES_MISMATCH"
            else "a certificate and its key, in PEM"
        )
        raise InvalidArgument("ssl", (str(certificate), str(key)), expected) from error
    return context


def make_client_context(given: Trust | None) -> ssl.SSLContext | None:
    """Return the TLS context of a feed; None verifies against the system's certificates.

    Args:
        given: a context, or the path of the only certificate to trust.

    Raises:
        FileNotFoundError: if the file does not exist.
        InvalidArgument: if the file holds no certificate.
    """
    if given is None or isinstance(given, ssl.SSLContext):
        return given
    if not isinstance(given, str | Path):
        raise InvalidType("ssl", given, "an SSLContext, or the path of a certificate to trust")
    path = _check_path(given)
    try:
        return ssl.create_default_context(cafile=path)
    except ssl.SSLError as error:
        raise InvalidArgument("ssl", str(path), "a file with a certificate in PEM") from error


def find_permanent_problem(error: BaseException) -> str | None:
    """Return why a connection failed if trying again can't help, with the fix; otherwise None."""
    if isinstance(error, ssl.SSLCertVerificationError):
        trust = "pass ssl= (or --ssl in a terminal) with the path of a certificate to trust"
        fix = FIXES.get(error.verify_code, trust)
        return f"the server's certificate does not verify ({error.verify_message}); {fix}"
    if isinstance(error, ssl.SSLError) and error.reason in NOT_TLS:
        return "the server does not speak TLS; use ws:// instead of wss://"
    return None


def _check_path(path: str | Path) -> Path:
    check_path("ssl", path)
    if not Path(path).is_file():
        raise FileNotFoundError(f"ssl: no file at {str(path)!r}; pass the path of a PEM file")
    return Path(path)
