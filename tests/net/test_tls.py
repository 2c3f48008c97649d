"""TLS from end to end: certificates that verify, those that don't, and peers without TLS."""

from __future__ import annotations

import socket
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme
from peers import LOCAL, dial, raw_server, receive

import tickerkit as tk

Until = Callable[..., None]
TICK = {"symbol": "AAPL", "price": 187.25}


class Files:
    """Certificate files of an authority, and of servers whose certificates it signed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = trustme.CA()
        self.ca = folder / "ca.pem"
        self.authority.cert_pem.write_to_path(self.ca)
        self.pair = self.issue(LOCAL, "localhost")

    def issue(self, *names: str) -> tuple[Path, Path]:
        """Return the paths of a new certificate for these names and of its key."""
        made = self.authority.issue_cert(*names)
        certificate, key = (self.folder / f"{names[0]}.{kind}.pem" for kind in ("cert", "key"))
        made.cert_chain_pems[0].write_to_path(certificate)
        made.private_key_pem.write_to_path(key)
        return certificate, key


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Make certificates."""
    return Files(tmp_path_factory.mktemp("tls"))


@pytest.mark.parametrize("kind", ["paths", "context"])
def test_feed_that_trusts_the_certificate_gets_ticks(files: Files, kind: str) -> None:
    """Both sides accept paths and contexts; the addresses are wss and https."""
    serving: Any = files.pair
    trusting: Any = files.ca
    if kind == "context":
        serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        serving.load_cert_chain(*files.pair)
        trusting = ssl.create_default_context(cafile=files.ca)
    with tk.serve(None, port=0, ssl=serving) as server:
        assert server.url == f"wss://127.0.0.1:{server.port}/"
        assert server.page == f"https://127.0.0.1:{server.port}/"
        server.publish(TICK)
        for url in (server.url, server.page, server.url.replace(LOCAL, "localhost")):
            with tk.connect(url, ssl=trusting) as feed:
                assert feed.wait(1).frame()["price"].tolist() == [187.25]


@pytest.mark.parametrize("why", ["unknown", "another name"])
def test_unverified_certificate_fails_the_feed(files: Files, why: str, until: Until) -> None:
    """The feed does not retry; the reason names the fix."""
    unknown = why == "unknown"
    pair = files.pair if unknown else files.issue("ticks.example.org")
    with tk.serve(None, port=0, ssl=pair) as server:
        with tk.connect(server.url, ssl=None if unknown else files.ca) as feed:
            with pytest.raises(tk.FeedFailed, match="certificate does not verify") as caught:
                feed.wait(1)
            fix = "pass ssl=" if unknown else "connect to a name that the certificate lists"
            assert fix in caught.value.reason
            assert feed.status == "failed"
        with tk.connect(server.url, ssl=files.ca) as feed:
            until(lambda: feed.status == ("live" if unknown else "failed"))


def test_tls_to_plain_server_fails_the_feed() -> None:
    """The reason names the fix."""
    with (
        raw_server(b"HTTP/1.1 400 Bad Request\r\n\r\n") as url,
        tk.connect(url.replace("ws:", "wss:")) as feed,
        pytest.raises(tk.FeedFailed, match="does not speak TLS"),
    ):
        feed.wait(1)


def test_tls_to_own_plain_server_retries_with_a_hint(until: Until) -> None:
    """The server closes without an answer, as a restarting one would: the feed retries."""
    with tk.serve(None, port=0) as server:
        with tk.connect(server.url.replace("ws:", "wss:")) as feed:
            until(lambda: "connect to ws://" in feed.status_detail)
        with dial(server.url) as peer:
            server.publish(TICK)
            assert receive(peer)
        assert server.stats["refused"] == 0


def test_tls_server_survives_plain_clients(
    files: Files, until: Until, capfd: pytest.CaptureFixture[str]
) -> None:
    """A plain feed gets a hint, a plain HTTP client is closed, and nothing is printed."""
    with tk.serve(None, port=0, ssl=files.pair) as server:
        with tk.connect(server.url.replace("wss:", "ws:")) as feed:
            until(lambda: "wss://" in feed.status_detail)
        with socket.create_connection((LOCAL, server.port)) as peer:
            peer.settimeout(10)
            peer.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b"HTTP" not in peer.recv(1000)
        server.publish(TICK)
        with tk.connect(server.url, ssl=files.ca) as good:
            good.wait(1)
        assert server.stats["refused"] == 0
    assert capfd.readouterr() == ("", "")


def test_invalid_tls_files_are_refused_at_once(files: Files) -> None:
    """Each error names the path and the problem."""
    certificate, key = files.pair
    _, others_key = files.issue("other.example.org")
    locked = files.folder / "locked.pem"
    done = subprocess.run(
        ["openssl", "rsa", "-aes256", "-passout", "pass:secret", "-in", key, "-out", locked],
        capture_output=True,
        check=False,
    )
    cases: list[tuple[Any, type[Exception], str]] = [
        (("no.pem", key), FileNotFoundError, "no file at 'no.pem'"),
        ((certificate, "no.pem"), FileNotFoundError, "no file at 'no.pem'"),
        ((certificate, others_key), ValueError, "a key that belongs to the certificate"),
        ((key, certificate), ValueError, "expected a certificate and its key"),
        (str(certificate), TypeError, r"\(certificate, key\)"),
        ((certificate,), TypeError, r"\(certificate, key\)"),
    ]
    if done.returncode == 0:
        cases.append(((certificate, locked), ValueError, "the key is encrypted"))
    for given, error, text in cases:
        with pytest.raises(error, match=text):
            tk.serve(None, port=0, ssl=given)
    for given, error, text in [
        ("no.pem", FileNotFoundError, "no file at 'no.pem'"),
        (key, ValueError, "a file with a certificate"),
        (files.pair, TypeError, "path of a certificate to trust"),
    ]:
        with pytest.raises(error, match=text):
            tk.connect("wss://127.0.0.1:1/", ssl=given)
    with pytest.raises(ValueError, match="wss://"):
        tk.connect("ws://127.0.0.1:1/", ssl=files.ca)
