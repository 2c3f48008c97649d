"""`tickerkit doctor`: it finds each known problem, and its fix."""

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

import tickerkit as tk
from tickerkit import __version__
from tickerkit.cli import checks, doctor, main
from tickerkit.cli.checks import Finding

Check = Callable[[], Iterator[Finding]]


def only(check: Check, level: str) -> Finding:
    """Return the only finding of a level from a check."""
    found = [finding for finding in check() if finding.level == level]
    assert len(found) == 1, found
    return found[0]


@pytest.fixture
def versions(monkeypatch: pytest.MonkeyPatch) -> dict[str, str | None]:
    """Return a dict of versions that replace those of the installed packages."""
    changed: dict[str, str | None] = {}
    real = checks.find_version
    monkeypatch.setattr(
        checks, "find_version", lambda name: changed[name] if name in changed else real(name)
    )
    return changed


def test_doctor_prints_versions_and_findings() -> None:
    """The exit code is 1 exactly if it finds a problem."""
    with Command("doctor") as command:
        code = command.wait()
    text = command.text
    assert f"tickerkit {__version__}, Python {sys.version.split()[0]}" in text
    for name in ("websockets", "pandas", "plotly", "anywidget"):
        assert re.search(rf"{name} +{re.escape(metadata.version(name))}\s", text)
    assert re.search(r"✓ loopback +100 ticks served and read back in \d+ ms", text)
    assert code == ("✗" in text)
    assert ("No problems found." in text) == (code == 0)
    assert max(map(len, text.splitlines())) <= 120
    assert command.err == ""


@on_posix
def test_problem_has_its_fix_on_a_line(tmp_path: Path) -> None:
    """A problem is marked, its fix can be copied, and the exit code is 1."""
    (tmp_path / "random.py").touch()
    env = {"HTTP_PROXY": "http://proxy.example:3128", "NO_PROXY": "", "no_proxy": ""}
    program = ["doctor"]
    with Command(*program, terminal=50, **env) as command:
        assert command.wait() == 1
    command.until(r"✗ proxy +connections to localhost and 127\.0\.0\.1 go to HTTP_PROXY")
    command.until(r"^ +→ set NO_PROXY=localhost,127\.0\.0\.1\s*$")
    command.until(r"problems? found\.")


def test_packages_of_the_tests_are_ok() -> None:
    """Where the tests run, no package is missing, too old, or too new."""
    assert [finding.level for finding in checks.check_packages()] == ["ok"]


def test_missing_package_is_a_problem(versions: dict[str, str | None]) -> None:
    """Charts need anywidget; the fix installs it."""
    versions["anywidget"] = None
    finding = only(checks.check_packages, "problem")
    assert (finding.name, finding.about) == ("anywidget", "is missing")
    assert finding.fix.startswith('pip install "anywidget')


def test_old_package_is_a_problem(
    versions: dict[str, str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest accepted version comes from tickerkit's own metadata."""
    monkeypatch.setattr(
        metadata, "requires", lambda name: ["plotly>=6.0", 'jupyterlab; extra == "lab"']
    )
    versions["plotly"] = "5.24.1"
    finding = only(checks.check_packages, "problem")
    assert (finding.name, finding.about) == ("plotly", "5.24.1 is older than 6.0")
    assert finding.fix == 'pip install "plotly>=6.0"'


def test_untested_plotly_is_a_note(versions: dict[str, str | None]) -> None:
    """A plotly that is newer than tested is not a problem."""
    versions["plotly"] = "99.0rc1"
    finding = only(checks.check_packages, "note")
    assert "newer than tickerkit was tested with" in finding.about


def test_ipykernel_that_loses_prints_is_a_problem(versions: dict[str, str | None]) -> None:
    """Version 7.0 is a problem; 7.1 and 6 are not."""
    versions["ipykernel"] = "7.0.1"
    assert only(checks.check_kernel, "problem").fix == 'pip install "ipykernel>=7.1"'
    for fine in ("6.30.1", "7.1.0", "7.10.0"):
        versions["ipykernel"] = fine
        assert "problem" not in {finding.level for finding in checks.check_kernel()}
    versions["ipykernel"] = None
    assert "tickerkit[lab]" in only(checks.check_kernel, "note").fix


@on_posix
@pytest.mark.parametrize(
    ("has_tickerkit", "level"), [(False, "problem"), (True, "note")], ids=["without", "with"]
)
def test_kernel_of_another_python_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_tickerkit: bool, level: str
) -> None:
    """A kernel without tickerkit is a problem; one with it is a note."""
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
    finding = only(checks.check_kernel, level)
    assert str(other) in finding.about


@pytest.fixture
def other_lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return another environment, whose JupyterLab `jupyter lab` starts."""
    pytest.importorskip("jupyter_core")
    home = tmp_path / "other"
    program = home / "bin" / "jupyter-lab"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!{home}/bin/python3.12\nimport jupyterlab\n")
    monkeypatch.setattr(checks.shutil, "which", lambda name: str(program))
    monkeypatch.setenv("HOME", str(tmp_path))
    return home


@on_posix
def test_lab_without_widget_extensions_is_a_problem(
    other_lab: Path, versions: dict[str, str | None]
) -> None:
    """The only JupyterLab on this machine can't draw widgets."""
    versions["jupyterlab"] = None
    finding = only(checks.check_lab, "problem")
    assert finding.about.startswith(f"the one of {other_lab} has no jupyterlab_widgets and no")
    assert finding.fix == "there: pip install --force-reinstall jupyterlab_widgets anywidget"
    for name in ("@jupyter-widgets/jupyterlab-manager", "anywidget"):
        (other_lab / "share" / "jupyter" / "labextensions" / name).mkdir(parents=True)
    assert only(checks.check_lab, "ok").about == f"the one of {other_lab} can draw widgets"


@on_posix
def test_lab_of_another_environment_is_a_note(other_lab: Path) -> None:
    """`jupyter lab` starts another JupyterLab than the one beside tickerkit."""
    pytest.importorskip("jupyterlab")
    found = list(checks.check_lab())
    assert [finding.level for finding in found] == ["ok", "note", "note"]
    assert found[1].fix == "start it with: tickerkit lab"
    (other_lab / "bin" / "jupyter-lab").write_text('#!/usr/bin/env bash\nexec pyenv "$@"\n')
    assert [finding.level for finding in checks.check_lab()] == ["ok"]


def test_own_lab_without_widget_extensions_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The JupyterLab beside tickerkit can't draw widgets."""
    pytest.importorskip("jupyterlab")
    from jupyter_core import paths

    monkeypatch.setattr(paths, "jupyter_path", lambda *names: [str(tmp_path)])
    monkeypatch.setattr(checks.shutil, "which", lambda name: None)
    (tmp_path / "anywidget").mkdir()
    finding = only(checks.check_lab, "problem")
    assert finding.about == "has no jupyterlab_widgets: charts stay empty"


CLASS = "jupyter_server.services.kernels.connection.channels.ZMQChannelsWebsocketConnection"
GATEWAY = "jupyter_server.gateway.connections.GatewayWebSocketConnection"


@pytest.mark.package
@pytest.mark.parametrize(
    ("extensions", "more", "level", "about"),
    [
        ({"tickerkit": True}, {}, "ok", "are sent at once"),
        ({"tickerkit": False}, {}, "note", "extension is disabled"),
        (
            {"tickerkit": True},
            {"GatewayClient": {"url": "http://127.0.0.1:9"}},
            "note",
            f"are sent by {GATEWAY}",
        ),
    ],
    ids=["enabled", "disabled", "stepped-aside"],
)
def test_class_that_sends_updates_is_found(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    extensions: dict[str, bool],
    more: dict[str, object],
    level: str,
    about: str,
) -> None:
    """The check reads Jupyter's configuration as a server does."""
    pytest.importorskip("jupyter_server")
    config = {"ServerApp": {"jpserver_extensions": extensions}, **more}
    (tmp_path / "jupyter_server_config.json").write_text(json.dumps(config))
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(Path(tk.__file__).parents[1]))
    monkeypatch.setattr(checks.shutil, "which", lambda name: None)
    assert about in only(checks.check_updates, level).about


def test_updates_that_wait_have_a_fix(other_lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The extension may be missing or disabled, here and in the environment of `jupyter lab`."""
    pytest.importorskip("jupyter_server")
    answers: dict[str, str | None] = {}
    monkeypatch.setattr(checks, "_run_python", lambda python, program: answers.get(python))
    other = str(other_lab / "bin" / "python")
    answers[sys.executable] = answers[other] = json.dumps([None, True, CLASS])
    origin: dict[str, object] = {"url": "file:///clone", "dir_info": {"editable": True}}
    read = metadata.PathDistribution.read_text
    monkeypatch.setattr(
        metadata.PathDistribution,
        "read_text",
        lambda self, name: json.dumps(origin) if "direct" in name else read(self, name),
    )
    assert [finding.fix for finding in checks.check_updates()] == [
        'pip install --editable "file:///clone"',
        "there: pip install tickerkit",
    ]
    origin.clear()
    reinstall = next(checks.check_updates()).fix
    assert reinstall == "pip install --force-reinstall --no-deps tickerkit"
    answers[sys.executable], answers[other] = f"hello\n{json.dumps([False, True, CLASS])}", None
    fix = only(checks.check_updates, "note").fix
    assert fix == f'"{sys.executable}" -m jupyter_server extension enable tickerkit'


def test_nest_asyncio_on_python_3_14_is_a_problem(
    monkeypatch: pytest.MonkeyPatch, versions: dict[str, str | None]
) -> None:
    """nest-asyncio2 beside it solves the problem."""
    versions |= {"nest-asyncio": "1.6.0", "nest-asyncio2": None}
    for python, levels in (((3, 13), set()), ((3, 14), {"problem"})):
        with monkeypatch.context() as patch:
            patch.setattr(checks.sys, "version_info", python)
            found = list(checks.check_nested_loops())
        assert {finding.level for finding in found} == levels
    versions["nest-asyncio2"] = "1.7.4"
    with monkeypatch.context() as patch:
        patch.setattr(checks.sys, "version_info", (3, 14))
        assert list(checks.check_nested_loops()) == []


def test_applied_nest_asyncio_is_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The note names the start-up file of IPython that applies it."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    assert list(checks.check_nested_loops()) == []
    startup = tmp_path / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "00-loops.py").write_text("import nest_asyncio; nest_asyncio.apply()")
    assert "00-loops.py" in only(checks.check_nested_loops, "note").about
    (startup / "00-loops.py").unlink()
    monkeypatch.setattr(asyncio, "_nest_patched", True, raising=False)
    assert "every program" in only(checks.check_nested_loops, "note").about


def test_taken_default_port_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """The finding names the holder of the port if the system reports it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setattr(checks, "PORT", taken.getsockname()[1])
        finding = only(checks.check_port, "problem")
        if sys.platform == "linux":
            assert re.fullmatch(r"is taken by .+ \(pid \d+\)", finding.about)
        assert "port=0" in finding.fix
    assert only(checks.check_port, "ok").about == "is free"


PROXIES = [
    ({}, None),
    ({"HTTPS_PROXY": "http://p:1"}, "problem"),
    ({"all_proxy": "socks5://p:1"}, "problem"),
    ({"HTTP_PROXY": "http://p:1", "NO_PROXY": "localhost"}, "problem"),
    ({"HTTP_PROXY": "http://p:1", "NO_PROXY": "example.org, localhost,127.0.0.1"}, "ok"),
    ({"HTTP_PROXY": "http://p:1", "NO_PROXY": "*"}, "ok"),
]


@pytest.mark.parametrize(("env", "level"), PROXIES)
def test_proxy_for_local_connections_is_a_problem(
    monkeypatch: pytest.MonkeyPatch, env: dict[str, str], level: str | None
) -> None:
    """Both localhost and 127.0.0.1 must be exempt."""
    for name in ("http", "https", "all", "no", "ws", "ftp"):
        monkeypatch.delenv(f"{name}_proxy", raising=False)
        monkeypatch.delenv(f"{name}_PROXY".upper(), raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert [finding.level for finding in checks.check_proxy()] == ([level] if level else [])


def test_file_that_shadows_a_package_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only names of needed packages and of modules in use count."""
    monkeypatch.chdir(tmp_path)
    for name in ("mine.py", "test.py", "plotly.txt"):
        (tmp_path / name).touch()
    assert list(checks.check_shadowing()) == []
    for name in ("plotly.py", "random.py", "tickerkit.py", "websockets.py"):
        (tmp_path / name).touch()
        finding = only(checks.check_shadowing, "problem")
        assert finding.name == name
        (tmp_path / name).unlink()


def test_loopback_serves_and_reads_back() -> None:
    """The finding has the time that it took."""
    assert "read back in" in only(checks.check_loopback, "ok").about


def test_failed_check_is_a_problem(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A broken machine may break a check; the other checks still run."""

    def broken() -> Iterator[Finding]:
        raise ImportError("no [module]\nat all")
        yield

    monkeypatch.setattr(checks, "CHECKS", {"broken": broken, "packages": checks.check_packages})
    assert main(["doctor"]) == 1
    out, err = capsys.readouterr()
    assert "✗ broken         the check failed: ImportError: no [module] at all\n" in out
    assert "✓ packages" in out
    assert "1 problem found." in out
    assert err == ""


def test_every_check_is_listed() -> None:
    """No check is forgotten, and each has a docstring."""
    assert doctor.__doc__
    functions = {value for name, value in vars(checks).items() if name.startswith("check_")}
    assert set(checks.CHECKS.values()) == functions
    assert all(check.__doc__ for check in functions)


def test_editor_that_may_not_load_widgets_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """VS Code needs a setting, which may stand among comments; without VS Code nothing is said."""
    monkeypatch.setattr(checks, "EDITORS", {"VS Code": "Code"})
    monkeypatch.setattr(checks, "SETTINGS", {})
    monkeypatch.setattr(checks, "OTHER_SETTINGS", f"{tmp_path}/{{}}.json")
    assert list(checks.check_editors()) == []
    settings = tmp_path / "Code.json"
    for without in (
        "{}",
        f"{{// {checks.WIDGET_SOURCES}\n}}",
        '{"jupyter.widgetScriptSources": []}',
    ):
        settings.write_text(without)
        finding = only(checks.check_editors, "note")
        assert finding.name == "VS Code"
        assert f"{checks.WIDGET_SOURCES} to {settings}" in finding.fix
    settings.write_text(f"{{ // my settings\n  {checks.WIDGET_SOURCES}\n}}")
    assert only(checks.check_editors, "ok").name == "VS Code"
