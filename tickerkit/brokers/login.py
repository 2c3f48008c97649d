"""Logins: the files with which a client shows who it is, and what an error says of them."""

from __future__ import annotations

import base64
import re
import ssl
from pathlib import Path

from tickerkit.brokers.address import StreamAddress
from tickerkit.errors import StreamError
from tickerkit.formatting import format_line

__all__ = ["describe", "is_login_problem", "make_context", "read_credentials", "sign"]

JWT = re.compile(rb"-+BEGIN NATS USER JWT-+\s+(\S+)\s")
SEED = re.compile(rb"-+BEGIN USER NKEY SEED-+\s+(\S+)\s")


def make_context(address: StreamAddress) -> ssl.SSLContext | None:
    """Return the TLS context of an address; None for nats-py's default.

    Raises:
        StreamError: a file is no certificate, or no key.
    """
    if address.ca is None and address.cert is None:
        return None

    def refuse_password() -> str:
        # Without this callback OpenSSL would prompt on the terminal, and block.
        raise ValueError("the key is encrypted")

    try:
        context = ssl.create_default_context(cafile=address.ca)
        if address.cert is not None:
            context.load_cert_chain(address.cert, address.key, password=refuse_password)
    except (OSError, ValueError) as error:
        problem = f"the files of ca, cert and key can't be used for TLS ({describe(error)})"
        raise StreamError(str(address), problem, "pass files in PEM", is_final=True) from None
    return context


def read_credentials(address: StreamAddress) -> tuple[bytes, bytes]:
    """Return the JWT and the seed of the credentials file, which may change at any time.

    nats-py's own reader never ends if the file lacks a line.

    Raises:
        StreamError: the file can't be read, or is no file of credentials.
    """
    try:
        text = Path(address.creds or "").read_bytes()
    except OSError as error:
        problem = f"the credentials file can't be read ({error.strerror})"
        raise StreamError(str(address), problem) from None
    jwt, seed = JWT.search(text), SEED.search(text)
    if jwt is None or seed is None:
        problem = "the credentials file has no JWT and seed of a user"
        fix = "pass creds= with a file that `nsc generate creds` writes"
        raise StreamError(str(address), problem, fix, is_final=True)
    return jwt[1], seed[1]


def sign(seed: bytes, nonce: str) -> bytes:
    """Return the signature of what the server sent, in base64."""
    import nkeys

    pair = nkeys.from_seed(bytearray(seed))
    try:
        return base64.b64encode(pair.sign(nonce.encode()))
    finally:
        pair.wipe()


def describe(error: Exception) -> str:
    """Return an error as text on one line."""
    return format_line(str(error)) or type(error).__name__


def is_login_problem(text: str) -> bool:
    """Return whether what a server answered to a login says that it is wrong."""
    # The server's protocol has no other sign than these words.
    return re.search(r"authori[sz]ation|authentication", text, re.IGNORECASE) is not None
