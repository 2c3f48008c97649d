# The two commands: `make lab` and `make test`. Each sets up all it needs, in the folder .venv.
#
#   ARGS    options for the program that is run:   make lab ARGS="--no-browser --port 8899"
#                                                  make test ARGS="tests/log -k frame"
#   WORKERS how many processes run the tests; 0 for none but pytest's own
#   PYTHON  the Python to build .venv with; by default the first on this machine that will do
#   VENV    where to build it

VENV ?= .venv
ARGS ?=
# More than the 2 cores of a small machine: for half of its time a test waits for a server, a browser
# or another process.
WORKERS ?= 4

# The first Python 3.11 or newer that can make a venv. Each is tried: some are shims that do not run.
PYTHONS = $(or $(PYTHON),python3 python3.13 python3.12 python3.11 python3.14 python)
FITS = import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))
BIN = $(VENV)/bin

# Where Python shall write no bytecode, each process of tests and each command would compile all
# modules and tests anew: that is 5 s of each.
unexport PYTHONDONTWRITEBYTECODE

PIP = $(BIN)/python -m pip --disable-pip-version-check -qq

# The oldest plotly, and the newest of 6; .venv has the newest of all. The tests marked `package` are
# left out: what they test is of Jupyter, and not of plotly.
PLOTLYS = 6.0.0 6.*
FIGURES = tests/chart/figure/test_compatibility.py tests/chart/figure/test_figure.py \
	tests/chart/figure/test_given_times.py \
	tests/chart/figure/test_figure_in_browser.py
OF_PLOTLY = ignore:*scattermapbox* is deprecated!:DeprecationWarning

.PHONY: help lab test test-plotlys soak bench bench-browser bench-crowd bench-kernel lint clean lint-js test-js

help:
	@echo "make lab     JupyterLab on the quickstart notebook   ARGS=\"--no-browser --port 8899\""
	@echo "make test    the tests, in a real browser too if there is one   ARGS=\"-k resume\""
	@echo "make test-plotlys  the tests of live figures with older versions of plotly"
	@echo "make soak    the tests that take minutes"
	@echo "make bench   all of tickerkit beside the alternatives   ARGS=\"fanout --repeat 3\""
	@echo "make bench-browser  live figures beside their peers   ARGS=\"--only ours,plain --repeat 1\""
	@echo "make bench-crowd    a server with many clients   ARGS=\"stalled\" or accept, drain, flat"
	@echo "make bench-kernel   how fast a kernel is interrupted, restarted and ended"
	@echo "make lint    ruff and mypy, and lint-js"
	@echo "make lint-js the JavaScript's style and types, where there is Node.js"
	@echo "make test-js the JavaScript's tests, where there is Node.js; part of make test"
	@echo "make clean   remove all that these have made, the folder $(VENV) included"

lab: $(VENV)/.lab
	@$(BIN)/tickerkit lab $(ARGS)

test: $(VENV)/.test
	@$(if $(ARGS),,.ci/js/run test)
	@$(BIN)/python -m pytest -m "not soak and not package" -n $(WORKERS) $(ARGS)

test-plotlys:
	@$(MAKE) --no-print-directory VENV=.venv-plotly .venv-plotly/.test
	@for version in $(PLOTLYS); do \
		echo "With plotly $$version:"; \
		.venv-plotly/bin/python -m pip --disable-pip-version-check -qq install "plotly==$$version" && \
		.venv-plotly/bin/python -m pytest -m "not package" -n $(WORKERS) -W "$(OF_PLOTLY)" $(FIGURES) $(ARGS) || exit; \
	done

soak: $(VENV)/.soak
	@$(BIN)/python -m pytest -m soak --timeout 1800 -n $(WORKERS) $(ARGS)

bench: .venv-bench/.bench
	@.venv-bench/bin/python -m bench $(ARGS)

# In a separate folder: it has many libraries, and no test may depend on them.
bench-browser: .venv-bench/.bench
	@.venv-bench/bin/python -m bench.browser $(ARGS)

bench-crowd: $(VENV)/.test
	@$(BIN)/python -m bench.crowd $(ARGS)

bench-kernel: $(VENV)/.test
	@$(BIN)/python -m bench.kernel $(ARGS)

lint: $(VENV)/.lint
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@.ci/js/run lint

lint-js test-js:
	@.ci/js/run $(@:-js=)

clean:
	rm -rf $(VENV) .venv-* .ci/js/node_modules .artifacts .pytest_cache .mypy_cache .ruff_cache .hypothesis dist build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps record what $(VENV) contains; a changed pyproject.toml makes them out of date.
$(VENV)/.lab: pyproject.toml $(BIN)/python
	@echo "Installing tickerkit and JupyterLab into $(VENV); the first time this takes a minute or two."
	@$(PIP) install "pip>=25.1"
	@$(PIP) install --editable ".[lab,sql]"
	@touch $@

$(VENV)/.test: $(VENV)/.lab
	@echo "Installing what the tests need into $(VENV)."
	@$(PIP) install --group test
	@touch $@

$(VENV)/.soak: $(VENV)/.test
	@echo "Installing what the long tests need into $(VENV)."
	@$(PIP) install --group soak
	@touch $@

$(VENV)/.lint: $(VENV)/.lab
	@echo "Installing ruff and mypy into $(VENV)."
	@$(PIP) install --group lint
	@touch $@

.venv-bench/.bench: pyproject.toml
	@$(MAKE) --no-print-directory VENV=.venv-bench .venv-bench/bin/python
	@echo "Installing tickerkit and its peers into .venv-bench; this takes minutes."
	@.venv-bench/bin/python -m pip --disable-pip-version-check -qq install "pip>=25.1"
	@.venv-bench/bin/python -m pip --disable-pip-version-check -qq install --editable . --group bench
	@.venv-bench/bin/python -m pip --disable-pip-version-check -qq install --no-deps plotly-resampler
	@if command -v npm >/dev/null; then \
		npm install --silent --no-fund --no-audit --prefix .venv-bench ws; \
	else echo "There is no npm here: the benchmarks leave out its package ws."; fi
	@touch $@

# Made again when the Python that it points to is gone.
$(BIN)/python:
	@for python in $(PYTHONS); do \
		$$python -c '$(FITS)' >/dev/null 2>&1 || continue; \
		echo "Making $(VENV) with $$($$python --version)."; \
		$$python -m venv --clear $(VENV) && exit; \
		rm -rf $(VENV); \
		exit 1; \
	done; \
	echo "tickerkit needs Python 3.11 or newer, with venv and pip; none of these is: $(PYTHONS)." >&2; \
	echo "Install one (Debian and Ubuntu: apt install python3 python3-venv)," >&2; \
	echo "or name it: make lab PYTHON=/path/to/python3" >&2; \
	exit 1
