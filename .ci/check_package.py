"""Checks that the sdist and the wheel hold each file that git has for them, and no other.

Usage: python .ci/check_package.py SDIST WHEEL
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile

NOTEBOOKS = "notebooks/"
JUPYTER = "jupyter-config/"
PACKAGE = "tickerkit/"


def main(sdist: str, wheel: str) -> str:
    """Return what is wrong with the two, or nothing."""
    listed = subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True)
    files = listed.stdout.splitlines()
    package = {file for file in files if file.startswith(PACKAGE)}
    notebooks = {file for file in files if file.startswith(NOTEBOOKS)}
    jupyter = {file for file in files if file.startswith(JUPYTER)}
    tests = {file for file in files if file.startswith("tests/")}
    assert f"{PACKAGE}py.typed" in package
    assert any(file.endswith(".js") for file in package)
    assert jupyter
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    with zipfile.ZipFile(wheel) as archive:
        installed = {name for name in archive.namelist() if ".dist-info/" not in name}
    data = f"{wheel.rpartition('/')[2].partition('-py3')[0]}.data/data/etc/jupyter"
    wanted = package | {f"{PACKAGE}{file}" for file in notebooks}
    wanted |= {file.replace(JUPYTER, f"{data}/jupyter_server_config.d/") for file in jupyter}
    wrong = {
        "not in the sdist": (package | notebooks | jupyter | tests | {"pyproject.toml", "LICENSE"})
        - names,
        "not in the wheel": wanted - installed,
        "in the wheel, but not in git": installed - wanted,
    }
    return "\n".join(f"{file}: {what}" for what, which in wrong.items() for file in sorted(which))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) or None)
