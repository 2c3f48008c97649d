"""The command line, as `python -m tickerkit`."""

from __future__ import annotations

import sys

from tickerkit.cli import main

if __name__ == "__main__":
    sys.exit(main())
