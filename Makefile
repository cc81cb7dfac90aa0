# make install   a virtual environment in .venv with everything, and the data
# make run       the main job: cantor2 against the linear baseline, on the full data set
# make quick     lint, types, and the tests that need no compiler, process, browser or cluster
# make test      lint, types, tests
# make thorough  what takes longest: every name in every mode, 10,000 inputs for each function; an hour
# make smoke     the main job in seconds
# make soak      docs/reliability.md: kills runs at random, and sees that they end the same; 10 minutes
# make findings  docs/findings.md, after its studies: two hours on two cores; what is done is kept
# make fuzz      texts and files as a stranger could make them: half an hour; goes on where it was
# make figures   the pictures of README, tutorial and gallery (needs Debian's chromium and $(RUNS))
# make explorer  explorer.html: choose a pair in a browser, turn its numbers, see what follows

PYTHON ?= python3
BIN := .venv/bin
RUNS ?= runs/autoencoder
STUDIES := claims directional_sgd mlp depth2 depth8 lisht lisht_batch_norm plain compiled fast
DATA := /usr/share/datasets/fashion-mnist

# The pinned versions, also for pip's own build environments.
export PIP_CONSTRAINT := $(CURDIR)/constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: install data browser run smoke quick test thorough soak findings explorer figures fuzz clean

install: .venv/installed data

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

# $(call debian,PACKAGE): installs it, as root or where sudo asks for no password.
debian = SUDO=$$([ $$(id -u) = 0 ] || echo sudo -n); \
	$$SUDO apt-get install -qq --yes $(1) >/dev/null 2>&1 || \
	{ $$SUDO apt-get update -qq && $$SUDO apt-get install -qq --yes $(1); }

# Debian has the data set as a package; elsewhere it is downloaded by the first run.
data:
	@[ -d $(DATA) ] || ! command -v apt-get >/dev/null || { $(call debian,dataset-fashion-mnist); } || \
		echo "The package dataset-fashion-mnist was not installed; the first run will download the data."

# For the tests of what is shown in a browser; without one they fail.
browser:
	@command -v chromium >/dev/null || ! command -v apt-get >/dev/null || { $(call debian,chromium); } || \
		echo "The package chromium was not installed; the tests that need a browser will fail."

run: install
	$(BIN)/python -m experiments.autoencoder --act cantor2

smoke: install
	$(BIN)/python -m experiments.autoencoder --config configs/smoke.yaml --act cantor2 relu

# A worker for each core, and a thread for each worker: two greedy ones on a core wait for each other.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses auto --maxprocesses 4 --dist worksteal

define lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
endef

quick: install
	$(lint)
	$(PYTEST) -m 'not (compiler or process or browser or cluster or sampling or thorough)'

# The formulas at extreme numbers are also tested as a processor without AVX-512 computes them.
test: install browser
	$(lint)
	$(PYTEST) -m 'not thorough'
	ONEDNN_MAX_CPU_ISA=AVX2 $(PYTEST) tests/test_extremes.py -m 'not thorough' -k 'values or true_slopes'

# Each process gets a core: the check of all names is a single one.
thorough: install
	THOROUGH=1 $(PYTEST) tests/test_extremes.py
	ONEDNN_MAX_CPU_ISA=AVX2 THOROUGH=1 $(PYTEST) tests/test_extremes.py -k 'values or true_slopes'
	$(PYTEST) -m thorough
	OMP_NUM_THREADS=1 $(BIN)/python -m experiments.peers -o docs/correctness.md --workers 2

soak: install
	$(BIN)/python -m tests.soak -o docs

# A study's exit code is 1 if runs of it diverged, which is a finding.
findings: install
	for study in $(STUDIES) probe; do \
		$(BIN)/python -m experiments.compare --config configs/studies/$$study.yaml || \
			[ $$? = 1 ] || exit 2; \
		more=$$(case $$study in depth*) echo --layers;; probe) echo --probe;; esac); \
		$(BIN)/python -m experiments.report runs/$$study --publish docs/results/$$study.jsonl $$more || \
			exit 2; \
	done
	$(BIN)/python -m experiments.compare --config configs/studies/audit.yaml
	$(BIN)/python -m experiments.audit runs/audit -o docs/images --publish docs/results/audit.jsonl \
		--pairs 32 --layer_pairs 3 --batch_size 32
	$(BIN)/python -m experiments.probe docs/results/probe.jsonl -o docs/images/probe
	$(BIN)/python -m experiments.findings docs/results -o docs/findings.md

explorer: install
	$(BIN)/python -m experiments.explorer -o explorer.html --runs docs/results/autoencoder.jsonl

# WebGL is off so that TensorBoard draws with SVG, which a headless browser waits for.
CHROMIUM := chromium --headless --no-sandbox --disable-gpu --disable-3d-apis --disable-quic \
	--no-first-run --disable-background-networking --disable-component-update --disable-sync \
	--hide-scrollbars

figures: install browser explorer
	$(BIN)/python -m experiments.overview docs/results/autoencoder.jsonl -o docs/images
	$(BIN)/python -m experiments.documents docs/tutorial.md docs/gallery.md
	$(BIN)/tensorboard --logdir $(RUNS) --port 6123 --load_fast=false >/dev/null 2>&1 & \
	tensorboard=$$!; profile=$$(mktemp -d); sleep 15; \
	$(CHROMIUM) --user-data-dir=$$profile --window-size=1300,640 \
		--virtual-time-budget=60000 --screenshot=docs/images/tensorboard.png \
		'http://localhost:6123/?tagFilter=%5Eloss&smoothing=0&runColorGroup=regex%3A%5E%28%5B%5E%2F%5D%2B%29%2F#timeseries'; \
	kill $$tensorboard; \
	$(CHROMIUM) --user-data-dir=$$profile --window-size=1800,1740 \
		--screenshot=docs/images/explorer.png "file://$(CURDIR)/explorer.html#theme=light"; \
	rm -rf $$profile

# Exit code 3 of the fuzzers: there is more to do, and the record says from where.
fuzz: install
	$(BIN)/python -m tests.fuzz --output docs/results/fuzz.json --seconds 3600

clean:
	rm -rf .venv build dist *.egg-info
