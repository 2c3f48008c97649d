"""environment.yml asks conda for what pyproject.toml asks pip for."""

from __future__ import annotations

import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def listed(indent: str) -> list[str]:
    """Return the entries of environment.yml that stand that far in, in the file's order."""
    start = f"{indent}- "
    lines = (ROOT / "environment.yml").read_text(encoding="utf-8").splitlines()
    return [line.removeprefix(start) for line in lines if line.startswith(start)]


def conda_packages() -> dict[str, SpecifierSet]:
    """Return what conda is asked for, with its bounds."""
    entries = [entry for entry in listed("  ") if entry not in ("conda-forge", "pip", "pip:")]
    return {(one := Requirement(entry)).name: one.specifier for entry in entries}


def test_conda_is_asked_for_the_packages_of_pyproject_with_the_same_bounds() -> None:
    """Each package that tickerkit and its lab need on conda's Python is listed, and no other."""
    packages = conda_packages()
    pythons = packages.pop("python")
    wanted = [Requirement(line) for line in PROJECT["dependencies"]]
    wanted += [Requirement(line) for line in PROJECT["optional-dependencies"]["lab"]]
    for minor in (11, 12, 13):
        environment = {"python_version": f"3.{minor}", "python_full_version": f"3.{minor}.0"}
        assert Version(f"3.{minor}") in pythons
        assert packages == {
            one.name: one.specifier
            for one in wanted
            if one.marker is None or one.marker.evaluate(environment)
        }


def test_conda_is_asked_for_the_oldest_python_that_pyproject_allows() -> None:
    """The lower bound of Python is the one of pyproject.toml."""
    oldest = set(SpecifierSet(PROJECT["requires-python"]))
    assert oldest <= set(conda_packages()["python"])


def test_only_tickerkit_itself_is_installed_by_pip() -> None:
    """Pip is listed, and installs the checkout and nothing else."""
    assert "pip" in listed("  ")
    assert listed("      ") == ["-e ."]
