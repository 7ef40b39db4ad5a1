# make demo   install what serves into .venv, and run the main job on a small example
# make test   install everything into .venv, then format, lint, types and tests
# make docs   install everything into .venv, then build the documentation site into site/
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
SERVES := $(VENV)/.serves
INSTALLED := $(VENV)/.installed
# Empty, whatever the caller has set: else each process compiles again what it imports, 0.7 s each.
export PYTHONDONTWRITEBYTECODE :=
PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip

.PHONY: demo test check docs install clean

$(SERVES): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --no-compile -c constraints.txt -e '.[demo]'
	touch $(SERVES)

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --no-compile -c constraints.txt torch torchvision
	$(PIP) install --quiet --no-compile -c constraints.txt -e '.[dev]'
	touch $(SERVES) $(INSTALLED)

install: $(INSTALLED)

demo: $(SERVES)
	$(BIN)/python examples/demo.py

check: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

test: check
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal  # each core has a worker

docs: $(INSTALLED)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

clean:
	rm -rf $(VENV) demo-out site .mypy_cache .pytest_cache .ruff_cache
