"""Logins for NATS servers of the tests: users by JWT, as `nsc` makes them, and TLS certificates."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import time
from pathlib import Path
from typing import NamedTuple

import nkeys
import trustme

__all__ = ["Certificates", "Operator", "make_certificates"]

# The system's account may have no streams.
SYSTEM = {
    "subs": -1,
    "data": -1,
    "payload": -1,
    "imports": -1,
    "exports": -1,
    "wildcards": True,
    "conn": -1,
    "leaf": -1,
}
UNLIMITED = {**SYSTEM, "mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1}
USER_LIMITS = {"subs": -1, "data": -1, "payload": -1}


def make_key(kind: int) -> nkeys.KeyPair:
    """Return a new pair of keys of an operator, account or user."""
    return nkeys.from_seed(nkeys.encode_seed(os.urandom(32), kind))


def encode(data: bytes) -> str:
    """Return base64 as a JWT has it."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def make_jwt(issuer: nkeys.KeyPair, subject: nkeys.KeyPair, name: str, nats: object) -> str:
    """Return a JWT about a key, signed by another."""
    claims: dict[str, object] = {
        "iat": int(time.time()),
        "iss": issuer.public_key.decode(),
        "sub": subject.public_key.decode(),
        "name": name,
        "nats": nats,
    }
    claims["jti"] = hashlib.sha256(json.dumps(claims).encode()).hexdigest()
    head = encode(json.dumps({"typ": "JWT", "alg": "ed25519-nkey"}).encode())
    signed = f"{head}.{encode(json.dumps(claims).encode())}"
    return f"{signed}.{encode(issuer.sign(signed.encode()))}"


class Operator:
    """An operator with one account, whose users log in with credentials files."""

    def __init__(self) -> None:
        self._key = make_key(nkeys.PREFIX_BYTE_OPERATOR)
        self._account = make_key(nkeys.PREFIX_BYTE_ACCOUNT)
        self._system = make_key(nkeys.PREFIX_BYTE_ACCOUNT)

    @property
    def config(self) -> str:
        """The lines of a server's configuration."""
        kind = {"type": "operator", "version": 2}
        system = self._system.public_key.decode()
        accounts = []
        for key, name in ((self._account, "ticks"), (self._system, "system")):
            limits = UNLIMITED if key is self._account else SYSTEM
            jwt = make_jwt(
                self._key, key, name, {"type": "account", "version": 2, "limits": limits}
            )
            accounts.append(f"  {key.public_key.decode()}: {jwt}")
        return "\n".join(
            [
                f"operator: {make_jwt(self._key, self._key, 'tests', kind)}",
                f"system_account: {system}",
                "resolver: MEMORY",
                "resolver_preload: {",
                *accounts,
                "}",
            ]
        )

    def write_creds(self, path: Path, name: str, permissions: object = None) -> Path:
        """Write the credentials file of a new user; `permissions` are those of a JWT."""
        user = make_key(nkeys.PREFIX_BYTE_USER)
        rights = permissions if isinstance(permissions, dict) else {}
        claims = {"type": "user", "version": 2, **USER_LIMITS, **rights}
        jwt = make_jwt(self._account, user, name, claims)
        path.write_text(
            f"-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n"
            f"-----BEGIN USER NKEY SEED-----\n{user.seed.decode()}\n"
            "------END USER NKEY SEED------\n"
        )
        return path


class Certificates(NamedTuple):
    """Paths of certificates and keys, in PEM."""

    ca: Path
    server: Path
    client: Path

    @property
    def config(self) -> str:
        """The lines of a server's configuration."""
        return f"tls {{ cert_file: {str(self.server)!r}, key_file: {str(self.server)!r} }}"

    @property
    def config_for_clients(self) -> str:
        """The lines of a configuration which demands a certificate of clients, too."""
        files = f"cert_file: {str(self.server)!r}, key_file: {str(self.server)!r}"
        return f"tls {{ {files}, ca_file: {str(self.ca)!r}, verify: true }}"


def make_certificates(folder: Path) -> Certificates:
    """Write certificates of a new authority, for 127.0.0.1 and for a client."""
    authority = trustme.CA()
    paths = Certificates(folder / "ca.pem", folder / "server.pem", folder / "client.pem")
    authority.cert_pem.write_to_path(paths.ca)
    authority.issue_cert("127.0.0.1", "localhost").private_key_and_cert_chain_pem.write_to_path(
        paths.server
    )
    authority.issue_cert("client").private_key_and_cert_chain_pem.write_to_path(paths.client)
    return paths
