"""`tickerkit doctor`: each trap is found, with its fix."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

import pytest
from commands import Command, on_posix

from tickerkit import __version__
from tickerkit.cli import checks, doctor, main
from tickerkit.cli.checks import Finding

Check = Callable[[], Iterator[Finding]]


def only(check: Check, level: str) -> Finding:
    """Return the one finding of a level that a check makes."""
    found = [finding for finding in check() if finding.level == level]
    assert len(found) == 1, found
    return found[0]


@pytest.fixture
def versions(monkeypatch: pytest.MonkeyPatch) -> dict[str, str | None]:
    """Return a dict of versions that packages seem to have instead of their own."""
    changed: dict[str, str | None] = {}
    real = checks.version
    monkeypatch.setattr(
        checks, "version", lambda name: changed[name] if name in changed else real(name)
    )
    return changed


def test_doctor_tells_versions_and_traps() -> None:
    """It names what runs here; its exit code is 1 exactly when it finds something wrong."""
    with Command("doctor") as command:
        code = command.wait()
    text = command.text
    assert f"tickerkit {__version__}, Python {sys.version.split()[0]}" in text
    for name in ("websockets", "pandas", "plotly", "anywidget"):
        assert re.search(rf"{name} +{re.escape(metadata.version(name))}\s", text)
    assert re.search(r"✓ loopback +100 ticks served and read back in \d+ ms", text)
    assert code == ("✗" in text)
    assert ("Nothing is wrong." in text) == (code == 0)
    assert max(map(len, text.splitlines())) <= 120
    assert command.err == ""


@on_posix
def test_doctor_fails_with_the_fix_when_something_is_wrong(tmp_path: Path) -> None:
    """A trap is marked, its fix is on a line of its own, and the exit code is 1."""
    (tmp_path / "random.py").touch()
    env = {"HTTP_PROXY": "http://proxy.example:3128", "NO_PROXY": "", "no_proxy": ""}
    program = ["doctor"]
    with Command(*program, terminal=50, **env) as command:
        assert command.wait() == 1
    command.until(r"✗ proxy +connections to localhost and 127\.0\.0\.1 go to HTTP_PROXY")
    command.until(r"^ +→ set NO_PROXY=localhost,127\.0\.0\.1\s*$")
    command.until(r"things? (is|are) wrong\.")


def test_a_healthy_environment_has_its_packages() -> None:
    """Where the tests run, nothing is missing, too old, or newer than tried."""
    assert [finding.level for finding in checks.packages()] == ["fine"]


def test_doctor_finds_a_missing_package(versions: dict[str, str | None]) -> None:
    """Without anywidget there are no charts, and the fix installs it."""
    versions["anywidget"] = None
    finding = only(checks.packages, "wrong")
    assert (finding.name, finding.about) == ("anywidget", "is missing")
    assert finding.fix.startswith('pip install "anywidget')


def test_doctor_finds_a_package_that_is_too_old(
    versions: dict[str, str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What tickerkit needs is read from its own metadata."""
    monkeypatch.setattr(metadata, "requires", lambda name: ["plotly>=6.0", "jupyterlab; x"])
    versions["plotly"] = "5.24.1"
    finding = only(checks.packages, "wrong")
    assert (finding.name, finding.about) == ("plotly", "5.24.1 is older than 6.0")
    assert finding.fix == 'pip install "plotly>=6.0"'


def test_doctor_notes_a_plotly_that_is_too_new(versions: dict[str, str | None]) -> None:
    """A plotly that nobody has tried is noted, and is no fault."""
    versions["plotly"] = "99.0rc1"
    finding = only(checks.packages, "note")
    assert "newer than tickerkit was tried with" in finding.about


def test_doctor_finds_the_kernel_that_loses_prints(versions: dict[str, str | None]) -> None:
    """Of ipykernel, 7.0 is wrong; 7.1 and 6 are not."""
    versions["ipykernel"] = "7.0.1"
    assert only(checks.kernel, "wrong").fix == 'pip install "ipykernel>=7.1"'
    for fine in ("6.30.1", "7.1.0", "7.10.0"):
        versions["ipykernel"] = fine
        assert "wrong" not in {finding.level for finding in checks.kernel()}
    versions["ipykernel"] = None
    assert "tickerkit[lab]" in only(checks.kernel, "note").fix


@on_posix
@pytest.mark.parametrize(
    ("has_tickerkit", "level"), [(False, "wrong"), (True, "note")], ids=["without", "with"]
)
def test_doctor_finds_notebooks_that_run_in_another_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_tickerkit: bool, level: str
) -> None:
    """A kernel of another Python is wrong when tickerkit is missing there, and else noted."""
    pytest.importorskip("ipykernel")
    other = tmp_path / "python3.99"
    answer = "exit 0" if has_tickerkit else "exit 1"
    other.write_text(f'#!/bin/sh\ncase "$2" in *tickerkit*) echo 1; {answer};; esac\necho /other\n')
    other.chmod(0o755)
    folder = tmp_path / "kernels" / "python3"
    folder.mkdir(parents=True)
    spec = {"argv": [str(other), "-m", "ipykernel_launcher"], "display_name": "Python 3"}
    (folder / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    finding = only(checks.kernel, level)
    assert str(other) in finding.about


@pytest.fixture
def other_lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return another environment, whose JupyterLab is the one that `jupyter lab` starts."""
    pytest.importorskip("jupyter_core")
    home = tmp_path / "other"
    program = home / "bin" / "jupyter-lab"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!{home}/bin/python3.12\nimport jupyterlab\n")
    monkeypatch.setattr(checks.shutil, "which", lambda name: str(program))
    monkeypatch.setenv("HOME", str(tmp_path))
    return home


@on_posix
def test_doctor_finds_a_lab_that_can_not_draw_widgets(
    other_lab: Path, versions: dict[str, str | None]
) -> None:
    """The only JupyterLab there is, without the widgets' page side, is wrong."""
    versions["jupyterlab"] = None
    finding = only(checks.lab, "wrong")
    assert finding.about.startswith(f"the one of {other_lab} has no jupyterlab_widgets and no")
    assert finding.fix == "there: pip install --force-reinstall jupyterlab_widgets anywidget"
    for name in ("@jupyter-widgets/jupyterlab-manager", "anywidget"):
        (other_lab / "share" / "jupyter" / "labextensions" / name).mkdir(parents=True)
    assert only(checks.lab, "fine").about == f"the one of {other_lab} can draw widgets"


@on_posix
def test_doctor_notes_that_another_lab_is_in_the_way(other_lab: Path) -> None:
    """With a JupyterLab of its own, another environment's on the PATH is only noted."""
    pytest.importorskip("jupyterlab")
    found = list(checks.lab())
    assert [finding.level for finding in found] == ["fine", "note", "note"]
    assert found[1].fix == "start it with: tickerkit lab"
    (other_lab / "bin" / "jupyter-lab").write_text('#!/usr/bin/env bash\nexec pyenv "$@"\n')
    assert [finding.level for finding in checks.lab()] == ["fine"]


def test_doctor_finds_its_own_lab_without_widgets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """JupyterLab here without the widgets' page side is wrong."""
    pytest.importorskip("jupyterlab")
    from jupyter_core import paths

    monkeypatch.setattr(paths, "jupyter_path", lambda *names: [str(tmp_path)])
    monkeypatch.setattr(checks.shutil, "which", lambda name: None)
    (tmp_path / "anywidget").mkdir()
    finding = only(checks.lab, "wrong")
    assert finding.about == "has no jupyterlab_widgets: charts stay empty"


def test_doctor_finds_nest_asyncio_where_it_breaks(
    monkeypatch: pytest.MonkeyPatch, versions: dict[str, str | None]
) -> None:
    """On Python 3.14 nest-asyncio alone is wrong, and with its successor beside it is not."""
    versions |= {"nest-asyncio": "1.6.0", "nest-asyncio2": None}
    for python, levels in (((3, 13), set()), ((3, 14), {"wrong"})):
        with monkeypatch.context() as patch:
            patch.setattr(checks.sys, "version_info", python)
            found = list(checks.nested())
        assert {finding.level for finding in found} == levels
    versions["nest-asyncio2"] = "1.7.4"
    with monkeypatch.context() as patch:
        patch.setattr(checks.sys, "version_info", (3, 14))
        assert list(checks.nested()) == []


def test_doctor_notes_where_nest_asyncio_is_applied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start-up file of IPython that applies it is noted by its name."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    assert list(checks.nested()) == []
    startup = tmp_path / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "00-loops.py").write_text("import nest_asyncio; nest_asyncio.apply()")
    assert "00-loops.py" in only(checks.nested, "note").about
    (startup / "00-loops.py").unlink()
    monkeypatch.setattr(asyncio, "_nest_patched", True, raising=False)
    assert "before any program" in only(checks.nested, "note").about


def test_doctor_tells_who_has_the_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """A taken default port is wrong, with its holder where the system tells; a free one is fine."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setattr(checks, "PORT", taken.getsockname()[1])
        finding = only(checks.port, "wrong")
        if sys.platform == "linux":
            assert re.fullmatch(r"is taken by .+ \(pid \d+\)", finding.about)
        assert "port=0" in finding.fix
    assert only(checks.port, "fine").about == "is free"


PROXIES = [
    ({}, None),
    ({"HTTPS_PROXY": "http://p:1"}, "wrong"),
    ({"all_proxy": "socks5://p:1"}, "wrong"),
    ({"HTTP_PROXY": "http://p:1", "NO_PROXY": "localhost"}, "wrong"),
    ({"HTTP_PROXY": "http://p:1", "NO_PROXY": "example.org, localhost,127.0.0.1"}, "fine"),
    ({"HTTP_PROXY": "http://p:1", "NO_PROXY": "*"}, "fine"),
]


@pytest.mark.parametrize(("env", "level"), PROXIES)
def test_doctor_finds_a_proxy_that_gets_local_connections(
    monkeypatch: pytest.MonkeyPatch, env: dict[str, str], level: str | None
) -> None:
    """A proxy is wrong unless localhost and 127.0.0.1 are both exempt."""
    for name in ("http", "https", "all", "no", "ws", "ftp"):
        monkeypatch.delenv(f"{name}_proxy", raising=False)
        monkeypatch.delenv(f"{name}_PROXY".upper(), raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert [finding.level for finding in checks.proxy()] == ([level] if level else [])


def test_doctor_finds_files_that_shadow_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file here named like a package or a module in use is wrong; other files are not."""
    monkeypatch.chdir(tmp_path)
    for name in ("mine.py", "test.py", "plotly.txt"):
        (tmp_path / name).touch()
    assert list(checks.shadows()) == []
    for name in ("plotly.py", "random.py", "tickerkit.py", "websockets.py"):
        (tmp_path / name).touch()
        finding = only(checks.shadows, "wrong")
        assert finding.name == name
        (tmp_path / name).unlink()


def test_doctor_serves_and_reads_back() -> None:
    """The loopback test tells how long it took."""
    assert "read back in" in only(checks.loopback, "fine").about


def test_a_check_that_fails_is_something_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A broken machine may break a check: that is told, and the others are still made."""

    def broken() -> Iterator[Finding]:
        raise ImportError("no [module]\nat all")
        yield

    monkeypatch.setattr(checks, "CHECKS", (broken, checks.packages))
    assert main(["doctor"]) == 1
    out, err = capsys.readouterr()
    assert "✗ broken         the check fails: ImportError: no [module] at all\n" in out
    assert "✓ packages" in out
    assert "1 thing is wrong." in out
    assert err == ""


def test_every_check_is_made() -> None:
    """No check is forgotten in the list, and each tells what it is for."""
    assert doctor.__doc__
    names = {check.__name__ for check in checks.CHECKS}
    assert names == {"packages", "kernel", "lab", "nested", "port", "proxy", "loopback", "shadows"}
    assert all(check.__doc__ for check in checks.CHECKS)
