"""--ssl and --retry-for: which certificate a command trusts, and how long it tries to connect."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from peers import LOCAL, free_port

import tickerkit as tk
from tickerkit.cli import main
from tickerkit.storage import load


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Serve three ticks by TLS; return the address, and the file of the certificate to trust."""
    folder = tmp_path_factory.mktemp("tls")
    made = trustme.CA()
    made.cert_pem.write_to_path(folder / "ca.pem")
    issued = made.issue_cert(LOCAL)
    issued.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    issued.private_key_pem.write_to_path(folder / "key.pem")
    source = [{"symbol": "A", "price": price} for price in (1, 2, 3)]
    with tk.serve(source, port=0, ssl=(folder / "cert.pem", folder / "key.pem")) as server:
        yield server.url, folder / "ca.pem"


def arguments(command: str, address: str, folder: Path) -> list[str]:
    """Return a command line that reads an address."""
    return [command, address, *(["-o", str(folder / "t.csv")] if command == "record" else [])]


@pytest.mark.parametrize("command", ["record", "watch"])
def test_certificate_that_is_given_is_trusted(
    authority: tuple[str, Path],
    command: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Without it, the command fails at once, and names the option."""
    url, trusted = authority
    line = arguments(command, url, tmp_path)
    assert main(line) == 1
    assert "--ssl" in capsys.readouterr().err
    assert main([*line, "--ssl", str(trusted)]) == 0
    if command == "record":
        assert load(tmp_path / "t.csv").warning is None


@pytest.mark.parametrize("command", ["record", "watch"])
def test_command_fails_after_the_time_without_a_connection(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A supervisor can then start it again, and see that it failed."""
    line = arguments(command, f"ws://127.0.0.1:{free_port()}/", tmp_path)
    assert main([*line, "--retry-for", "0.2s"]) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith("tickerkit: the feed from ")


@pytest.mark.parametrize("command", ["record", "watch"])
@pytest.mark.parametrize("option", ["--retry-for", "--ssl"])
def test_options_of_a_connection_are_refused_for_a_source(
    command: str, option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command itself makes its ticks, so there is nothing to connect to."""
    assert main([*arguments(command, "sim:A", tmp_path), option, "10"]) == 2
    assert option in capsys.readouterr().err


@pytest.mark.parametrize("command", ["record", "watch"])
def test_wrong_values_are_named(command: str, tmp_path: Path) -> None:
    """A time that is none is wrong usage; a file that is not there is a failure."""
    line = arguments(command, "wss://127.0.0.1:1/", tmp_path)
    assert main([*line, "--retry-for", "soon"]) == 2
    assert main([*line, "--ssl", str(tmp_path / "none.pem")]) == 1
