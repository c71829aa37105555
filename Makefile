# `make demo` and `make test` are all a fresh machine needs; both create .venv first.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test check bench bench-choosing train clean

demo: .venv/ready
	$(BIN)/mata demo

test: .venv/ready
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal

check: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/ready
	$(BIN)/python benchmarks/overhead.py
	$(BIN)/python benchmarks/one_prefill.py
	$(BIN)/python benchmarks/attention_profile.py
	$(BIN)/python benchmarks/report.py

# Trains two more small models first, about ten minutes each.
MODELS := build/models/seed1-12layers build/models/seed2-16layers

bench-choosing: .venv/ready $(MODELS)
	$(BIN)/python benchmarks/choosing.py tiny $(MODELS)

build/models/seed1-12layers:
	$(BIN)/python training/train_tiny.py --train-only --threads 1 --seed 1 --layers 12 --out $@

build/models/seed2-16layers:
	$(BIN)/python training/train_tiny.py --train-only --threads 1 --seed 2 --layers 16 --out $@

train: .venv/ready
	$(BIN)/python training/train_tiny.py --out src/mata_audio/tiny/model

# Installed anew when what is to be installed changes.
.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if v >= (3, 11) else f"Python 3.11 or later is needed, this is {v.major}.{v.minor}: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv build dist src/*.egg-info
