# Every target sets itself up: Python 3.11 or later is all that a machine needs.
# PYTHON=… names the interpreter, VENV=… the folder of the environment.

# the first that really runs and is new enough: a name on the PATH may be an empty shim
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.14 python; do \
  "$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo "$$p" && break; done)
VENV ?= .venv
BIN = $(VENV)/bin
READY = $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help verify prove test test-all lint regenerate flows house mutants bench clean

help:
	@echo "make verify      every shipped workbook against the MLP, cell for cell"
	@echo "make prove       every gradient and update, from the workbooks' own formulas"
	@echo "make test        the quick tests"
	@echo "make test-all    all tests, in every engine that is installed"
	@echo "make lint        ruff and mypy"
	@echo "make regenerate  rebuild workbooks and figures, byte for byte"
	@echo "make flows       how many files an answer goes through"
	@echo "make house       the picture of the packages, from their imports"
	@echo "make mutants     every formula cell changed in every way: what is caught"
	@echo "make bench       speed beside other spreadsheet engines and other ways to train"

$(READY): pyproject.toml
	@test -n "$(PYTHON)" || { echo "cellgrad needs Python 3.11 or later, and none was found. Install it from https://www.python.org/downloads/ or name one: make PYTHON=/path/to/python3.11"; exit 2; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "cellgrad needs Python 3.11 or later, $(PYTHON) is $$("$(PYTHON)" --version 2>&1 | tail -n 1); name another with: make PYTHON=/path/to/python3.11"; exit 2; }
	@"$(PYTHON)" -c 'import venv, ensurepip' 2>/dev/null || { echo "This Python lacks venv; on Debian and Ubuntu: apt-get install python3-venv"; exit 2; }
	@echo "setting up $(VENV) (once)"
	@"$(PYTHON)" -m venv --clear "$(VENV)"
	@"$(BIN)/python" -m pip install --quiet --disable-pip-version-check --editable ".[ironcalc,plots,proof]" "jsonschema>=4.21" "pytest>=8" "hypothesis>=6.100" "pytest-xdist>=3.6"
	@touch "$(READY)"

verify: $(READY)
	@"$(BIN)/cellgrad" verify

prove: $(READY)
	@"$(BIN)/cellgrad" prove

test: $(READY)
	@"$(BIN)/python" -m pytest -q -n auto -m "not slow"

test-all: $(READY)
	@"$(BIN)/python" -m pytest -q -n auto --dist loadgroup

$(VENV)/.lint: $(READY)
	@"$(BIN)/python" -m pip install --quiet --disable-pip-version-check "ruff>=0.14" "mypy>=1.15" "import-linter>=2.3"
	@touch "$(VENV)/.lint"

lint: $(VENV)/.lint
	@"$(BIN)/ruff" check .
	@"$(BIN)/ruff" format --check .
	@"$(BIN)/mypy"
	@"$(BIN)/lint-imports"

regenerate: $(READY)
	@"$(BIN)/python" python_impl/regenerate.py

flows: $(READY)
	@"$(BIN)/python" tools/flows.py

house: $(VENV)/.lint
	@"$(BIN)/python" tools/house.py

mutants: $(READY)
	@"$(BIN)/python" tools/mutation_score.py

$(VENV)/.bench: $(READY)
	@"$(BIN)/python" -m pip install --quiet --disable-pip-version-check "formulas>=1.2" "pycel>=1.0b30" "numba>=0.59" "scikit-learn>=1.4"
	@"$(BIN)/python" -m pip install --quiet --disable-pip-version-check "torch==2.13.0" || echo "PyTorch could not be installed: the bench goes on without it"
	@touch "$(VENV)/.bench"

bench: $(VENV)/.bench
	@"$(BIN)/python" tools/benchmarks/recalculation.py
	@"$(BIN)/python" tools/benchmarks/epochs.py
	@"$(BIN)/python" tools/benchmarks/training.py
	@"$(BIN)/python" tools/benchmarks/grading.py

clean:
	rm -rf "$(VENV)" dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
