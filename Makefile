# make install   a virtual environment in .venv with everything, and the data
# make run       the main job: cantor2 against the linear baseline, on the full data set
# make test      lint, types, tests
# make smoke     the main job in seconds
# make figures   the pictures of the README, from the runs in $(RUNS) (needs Debian's chromium)

PYTHON ?= python3
BIN := .venv/bin
RUNS ?= runs/autoencoder
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

# WebGL is off so that TensorBoard draws with SVG, which a headless browser waits for.
figures: install
	$(BIN)/python -m experiments.overview docs/results/autoencoder -o docs/images
	$(BIN)/tensorboard --logdir $(RUNS) --port 6123 --load_fast=false >/dev/null 2>&1 & \
	tensorboard=$$!; profile=$$(mktemp -d); sleep 15; \
	chromium --headless --no-sandbox --disable-gpu --disable-3d-apis --disable-quic \
		--no-first-run --disable-background-networking --disable-component-update \
		--disable-sync --user-data-dir=$$profile --hide-scrollbars --window-size=1300,640 \
		--virtual-time-budget=60000 --screenshot=docs/images/tensorboard.png \
		'http://localhost:6123/?tagFilter=%5Eloss&smoothing=0&runColorGroup=regex%3A%5E%28%5B%5E%2F%5D%2B%29%2F#timeseries'; \
	kill $$tensorboard; rm -rf $$profile

clean:
	rm -rf .venv build dist *.egg-info
