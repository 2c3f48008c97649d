"""StreamAddress: it reads addresses of streams, says what is wrong, and shows no secret."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from tickerkit.brokers import StreamAddress
from tickerkit.errors import InvalidArgument, InvalidType


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the variables of the machine."""
    for name in ("CREDS", "CA", "CERT", "KEY", "USER", "PASSWORD"):
        monkeypatch.delenv(f"NATS_{name}", raising=False)


def test_address_has_servers_and_name() -> None:
    """A server without a port has that of NATS."""
    address = StreamAddress.parse("nats://n1:4222,n2,[::1]:7000/crypto")
    assert address.servers == ("n1:4222", "n2:4222", "[::1]:7000")
    assert (address.name, address.is_tls, address.user, address.token) == (
        "crypto",
        False,
        None,
        None,
    )
    assert (address.stream, address.subject) == ("TICKERKIT_crypto", "tickerkit.crypto")
    assert str(address) == "nats://n1:4222,n2:4222,[::1]:7000/crypto"


def test_address_has_a_login() -> None:
    """Name, password and token are percent-encoded."""
    address = StreamAddress.parse("tls://ann%40x:p%2Fw%3A1@n1/a_b-1")
    assert (address.user, address.password, address.is_tls) == ("ann@x", "p/w:1", True)
    assert StreamAddress.parse("nats://t%20k@n1/a").token == "t k"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("nats://n1:4222/", "1 to 64 letters"),
        ("nats://n1:4222", "1 to 64 letters"),
        ("nats://n1/a.b", "1 to 64 letters"),
        ("nats://n1/a/b", "1 to 64 letters"),
        ("nats://n1/a?x=1", "1 to 64 letters"),
        ("nats://n1/a\n", "1 to 64 letters"),
        ("nats://n1/é", "1 to 64 letters"),
        (f"nats://n1/{'a' * 65}", "1 to 64 letters"),
        ("nats:///a", "hosts separated by commas"),
        ("nats://n1,,n2/a", "hosts separated by commas"),
        ("nats://n1:0/a", "a port from 1 to 65535"),
        ("nats://n1:70000/a", "a port from 1 to 65535"),
        ("nats://n1:x/a", "hosts separated by commas"),
        ("nats://n 1/a", "hosts separated by commas"),
        ("nats://:pw@n1/a", "user:password"),
        ("nats://ann:@n1/a", "user:password"),
        ("nats://@n1/a", "user:password"),
        ("ws://n1/a", "nats://host:4222/name"),
        ("NATS://n1/a", "nats://host:4222/name"),
        ("n1/a", "nats://host:4222/name"),
        ("nats:/n1/a", "nats://host:4222/name"),
        ("", "nats://host:4222/name"),
    ],
)
def test_invalid_address_says_what_is_expected(url: str, says: str) -> None:
    """Each part of an address has a sentence of its own."""
    with pytest.raises(InvalidArgument) as caught:
        StreamAddress.parse(url)
    assert caught.value.argument == "url"
    assert says in caught.value.expected


@pytest.mark.parametrize("url", [None, 5, b"nats://ann:secret@n1/a", Path("a")])
def test_address_is_text(url: object) -> None:
    """Another type is named, but not shown."""
    with pytest.raises(InvalidType) as caught:
        StreamAddress.parse(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "nats://ann:secret@n1/a b",
        "nats://ann:secret@n1:x/a",
        "nats://ann:se@secret@n1:x/a",
        "nats://ann:x/secret@n1/a b",
        "nats://secret@n1:0/a",
        "nats://:secret@n1/a",
        "ws://ann:secret@n1/a",
        "ann:secret@n1/a",
        "ann:secret@nats://n1/a",
        "secret@nats://ann:secret@n1/a",
    ],
)
def test_error_shows_no_secret(url: str) -> None:
    """What stands before the last @ is in no error."""
    with pytest.raises(InvalidArgument) as caught:
        StreamAddress.parse(url)
    shown = f"{caught.value} {vars(caught.value)} {caught.value.args}"
    assert "secret" not in shown


def test_text_and_repr_show_no_secret(tmp_path: Path) -> None:
    """An address can be logged; it can be pickled whole."""
    creds = tmp_path / "secret.creds"
    creds.touch()
    for address in (
        StreamAddress.parse("nats://secret:secret@n1/a"),
        StreamAddress.parse("nats://secret@n1/a"),
        StreamAddress.parse("nats://n1/a", creds=creds),
    ):
        assert "secret" not in f"{address} {address!r} {[address]}"
        assert pickle.loads(pickle.dumps(address)) == address


def test_files_come_from_arguments_or_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An argument is preferred to its variable."""
    files = {name: tmp_path / name for name in ("creds", "ca", "cert", "key", "other")}
    for name, path in files.items():
        path.touch()
        monkeypatch.setenv(f"NATS_{name.upper()}", str(path))
    address = StreamAddress.parse("nats://n1/a", ca=files["other"])
    assert (address.creds, address.ca) == (str(files["creds"]), str(files["other"]))
    assert (address.cert, address.key) == (str(files["cert"]), str(files["key"]))


def test_login_of_the_address_is_preferred_to_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NATS_CREDS is for addresses without a login; creds= beside a login is refused."""
    creds = tmp_path / "a.creds"
    creds.touch()
    monkeypatch.setenv("NATS_CREDS", str(creds))
    assert StreamAddress.parse("nats://ann:pw@n1/a").creds is None
    with pytest.raises(InvalidArgument, match=r"creds.*since the address has a user or a token"):
        StreamAddress.parse("nats://ann:pw@n1/a", creds=creds)


def test_missing_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing file is named; what was passed as credentials may be a secret."""
    with pytest.raises(InvalidArgument, match=r"ca='gone.pem'; expected the path of a file"):
        StreamAddress.parse("nats://n1/a", ca="gone.pem")
    with pytest.raises(InvalidArgument) as caught:
        StreamAddress.parse("nats://n1/a", creds="-----BEGIN secret\x00")
    assert "secret" not in str(caught.value)
    with pytest.raises(InvalidType, match="creds"):
        StreamAddress.parse("nats://n1/a", creds=b"secret")  # type: ignore[arg-type]
    monkeypatch.setenv("NATS_CA", "gone.pem")
    with pytest.raises(InvalidArgument, match=r"NATS_CA='gone.pem'"):
        StreamAddress.parse("nats://n1/a")


def test_certificate_and_key_belong_together(tmp_path: Path) -> None:
    """One without the other is an error that names the missing one."""
    path = tmp_path / "a.pem"
    path.touch()
    with pytest.raises(InvalidArgument, match=r"key=None; expected the path.*since cert is given"):
        StreamAddress.parse("nats://n1/a", cert=path)
    with pytest.raises(InvalidArgument, match=r"cert=None; expected the path.*since key is given"):
        StreamAddress.parse("nats://n1/a", key=path)


def test_login_comes_from_the_environment_if_nothing_else_is_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Then no process list shows it. A name alone is a token, as for other programs for NATS."""
    monkeypatch.setenv("NATS_USER", "ann")
    address = StreamAddress.parse("nats://h/a")
    assert (address.user, address.password, address.token) == (None, None, "ann")
    monkeypatch.setenv("NATS_PASSWORD", "p%w")
    address = StreamAddress.parse("nats://h/a")
    assert (address.user, address.password, address.token) == ("ann", "p%w", None)
    assert "p%w" not in f"{address!r}{address}"
    address = StreamAddress.parse("nats://bob:x@h/a")
    assert (address.user, address.password) == ("bob", "x")
