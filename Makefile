# Needs Python 3.11 or newer and make; everything else comes into .venv.

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
# For example TORCH_ARGS="--index-url URL" to take a CUDA or CPU build of your choice.
TORCH_ARGS ?=
WORKERS ?= 2
PYTEST_ARGS ?=
DEMO_MINUTES ?= 1
DEMO_CLIPS := motions/demo/clips
BIN := .venv/bin
FOLDERS := $(filter-out hoigym,$(patsubst %/__init__.py,%,$(wildcard */__init__.py)))
TYPED := build/typed

.PHONY: help demo test lint format check docs clean

help:
	@echo "make demo    install, train a ball skill on the bundled clips, measure it, record it"
	@echo "make test    install, run the tests"
	@echo "make lint    ruff and pyright"
	@echo "make check   lint and test"
	@echo "make docs    build the pages of docs/ into site/"
	@echo "make clean   remove what was built; runs in output/ stay"

# Several threads of torch would fight with those of the engine.
demo: export OMP_NUM_THREADS := 1
demo: .venv/user.done .venv/gl.done
	rm -rf output/demo
	$(BIN)/python run.py graph build $(DEMO_CLIPS) output/demo/graph.npz
	$(BIN)/python run.py encode train $(DEMO_CLIPS) output/demo/encoder --training.max_epochs 30
	$(BIN)/python run.py train --task ballplay --recipe cpu+v2+he --hist_ckpt output/demo/encoder \
		--motion_file $(DEMO_CLIPS) --graph_file output/demo/graph.npz \
		--run_dir output/demo/run --max_minutes $(DEMO_MINUTES)
	$(BIN)/python run.py eval --checkpoint output/demo/run --trials 32 --horizon 2 --output output/demo/eval
	$(BIN)/python run.py play --checkpoint output/demo/run --steps 180 --output output/demo/play.mp4
	@echo "demo: success; policy in output/demo/run, table in output/demo/eval, video in output/demo/play.mp4"
	@echo "steer it in a browser: $(BIN)/python run.py play --checkpoint output/demo/run"
	@echo "one that walks and gets up: $(BIN)/python run.py play --checkpoint models/walk_getup"

# One thread for each worker: several would fight for the same cores.
test: .venv/dev.done .venv/gl.done .venv/screen.done
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) $(PYTEST_ARGS)

# pyright follows links but not a package's __path__, so it is shown the folders where a wheel has them.
lint: .venv/dev.done
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	rm -rf $(TYPED) && mkdir -p $(TYPED)/hoigym
	ln -s $(CURDIR)/hoigym/__init__.py $(addprefix $(CURDIR)/,$(FOLDERS)) $(TYPED)/hoigym/
	ln -s $(CURDIR)/tests $(CURDIR)/typings $(CURDIR)/*.py $(CURDIR)/pyproject.toml $(TYPED)/
	cd $(TYPED) && $(CURDIR)/$(BIN)/pyright --pythonpath $(CURDIR)/$(BIN)/python \
		$(addprefix hoigym/,$(FOLDERS)) tests run.py setup.py

format: .venv/dev.done
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

check: lint test

docs: .venv/docs.done
	$(BIN)/mkdocs build --strict --site-dir site

clean:
	rm -rf .venv site build *.egg-info .pytest_cache .ruff_cache

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "make: no Python 3.11 or newer found; set PYTHON=..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || $(call as_root,python3-venv)
	$(PYTHON) -m venv .venv

# torch goes first and alone, so that the build that TORCH_ARGS asks for is the one that stays.
.venv/user.done: setup.py | .venv/bin/python
	$(BIN)/python -m pip install --quiet $(TORCH_ARGS) "$$(sed -n 's/.*"\(torch==[^"]*\)".*/\1/p' setup.py)"
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

.venv/dev.done: .venv/user.done
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

.venv/docs.done: .venv/user.done
	$(BIN)/python -m pip install --quiet --editable '.[docs]'
	@touch $@

# Pictures without a display: OSMesa draws on the CPU. Where EGL works it is not needed, and macOS brings its own.
.venv/gl.done: | .venv/bin/python
	@[ "$$(uname)" != Linux ] || $(PYTHON) -c 'import ctypes.util as c, sys; sys.exit(not c.find_library("OSMesa"))' \
		|| $(call as_root,libosmesa6)
	@touch $@

# The tests of the viewer drive a browser and a window; without these they are skipped.
.venv/screen.done: | .venv/bin/python
	@[ "$$(uname)" != Linux ] || { command -v chromium && command -v chromedriver \
		&& command -v Xvfb && command -v xdotool; } >/dev/null \
		|| $(call as_root,chromium chromium-driver xvfb xdotool)
	@touch $@

# Installs Debian packages, or says what to install.
define as_root
{ if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	DEBIAN_FRONTEND=noninteractive apt-get update -qq && \
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $(1) >/dev/null; \
	else echo "please install $(1), for example: sudo apt-get install $(1)"; fi; }
endef
