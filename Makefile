# make install   a virtual environment in .venv with everything, and the data
# make run       the main job: cantor2 against the linear baseline, on the full data set
# make test      lint, types, tests
# make smoke     the main job in seconds

PYTHON ?= python3
BIN := .venv/bin
DATA := /usr/share/datasets/fashion-mnist

# The pinned versions, also for pip's own build environments.
export PIP_CONSTRAINT := $(CURDIR)/constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: install data run smoke test figures clean

install: .venv/installed data

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

# Debian has the data set as a package; elsewhere it is downloaded by the first run.
data:
	@[ -d $(DATA) ] || ! command -v apt-get >/dev/null || sh -c '\
		SUDO=$$([ $$(id -u) = 0 ] || echo sudo -n); \
		$$SUDO apt-get install -qq --yes dataset-fashion-mnist >/dev/null 2>&1 || \
		{ $$SUDO apt-get update -qq && $$SUDO apt-get install -qq --yes dataset-fashion-mnist; } || \
		echo "The package dataset-fashion-mnist was not installed; the first run will download the data."'

run: install
	$(BIN)/python -m experiments.autoencoder --act cantor2

smoke: install
	$(BIN)/python -m experiments.autoencoder --config configs/smoke.yaml --act cantor2 relu

test: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/pytest

clean:
	rm -rf .venv build dist *.egg-info
