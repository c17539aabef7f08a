# abstractor: `make` prints the targets. Needs Python 3.11, git, make and a package index that pip can reach.

SHELL := bash
.DEFAULT_GOAL := help

# cpu, or gpu with unsloth and bitsandbytes: `make setup LOCK=gpu`
LOCK ?= cpu

# Only pip goes online: no hub, no telemetry.
export HF_HUB_OFFLINE := 1
export HF_DATASETS_OFFLINE := 1
export TRANSFORMERS_OFFLINE := 1
export HF_HUB_DISABLE_TELEMETRY := 1
export DO_NOT_TRACK := 1
export DVC_NO_ANALYTICS := 1
export TOKENIZERS_PARALLELISM := false
# The stages' commands say `python`: it must be this environment's.
export PATH := $(CURDIR)/.venv/bin:$(PATH)

installed := .venv/.installed-$(LOCK)
# Case text passes through what these commands write: readable by its owner only.
owner_only := umask 077 &&

.PHONY: help setup repro test test-slow quick corpus new-cases predict recipe pin-backbones bench ablate t4-plan lock clean

help: ## print this help
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(installed) ## virtual environment with the pinned packages (LOCK=gpu: with the gpu extra)

repro: setup ## run the pipeline: dvc repro
	$(owner_only) dvc repro

test: setup ## lint, types and all tests
	$(owner_only) ruff check . && ruff format --check . && mypy && pytest -m ""

test-slow: setup ## every fault, kill and odd input -> metrics/reliability.json
	$(owner_only) pytest -m reliability --thorough --tally metrics/reliability.json

quick: setup ## lint, types and the unit tests
	$(owner_only) ruff check . && ruff format --check . && mypy && pytest

corpus: setup ## put a corpus in place: make corpus NAME=osha FROM=folder
	@$(if $(and $(NAME),$(FROM)),,echo "usage: make corpus NAME=osha FROM=folder" >&2; exit 2)
	$(owner_only) python stages/import_corpus.py "$(NAME)" "$(FROM)"

new-cases: setup ## put new cases in place: make new-cases FROM=file.csv
	@$(if $(FROM),,echo "usage: make new-cases FROM=file.csv" >&2; exit 2)
	$(owner_only) python stages/import_new_cases.py "$(FROM)"

predict: setup ## predict the new cases with pulled models, without training
	$(owner_only) dvc pull fetch_backbone pretrain_mlm pin_backbone train_sc_1 train_sc_2 train_sc_3 train_ar
	$(owner_only) dvc repro --single-item --allow-missing prepare_new infer_t4_sc infer_t4_ar infer_t4

recipe: setup ## put a recipe into params.yaml: make recipe NAME=lean (or two_rounds, reference)
	@$(if $(NAME),,echo "usage: make recipe NAME=lean" >&2; exit 2)
	@python tools/recipe.py "$(NAME)"

pin-backbones: setup ## look up the hub revisions that a file leaves open, online (PARAMS=file)
	@python tools/pin_backbones.py $(if $(PARAMS),--params $(PARAMS))

bench: setup ## measure every speed claim on this machine -> docs/benchmarks.md (QUICK=1: does it run?)
	dvc repro fetch_backbone
	python benchmarks/all.py $(if $(QUICK),--quick)

ablate: setup ## each ingredient with and without, two to three hours -> docs/ablation.md (FROM=osha folder, ROWS=a,b)
	@$(if $(FROM),,echo "usage: make ablate FROM=folder" >&2; exit 2)
	$(owner_only) python benchmarks/ablate.py --from "$(FROM)" $(if $(ROWS),--rows $(ROWS))

t4-plan: setup ## projected seconds and memory on a T4 of what params.yaml trains (PARAMS=file)
	@python tools/t4_plan.py $(if $(PARAMS),--params $(PARAMS))

lock: setup ## pin all versions anew: pyproject.toml -> requirements/*.txt
	python tools/lock.py

clean: ## remove the environment and the tools' caches, no data and no model
	rm -rf .venv .hypothesis .mypy_cache .pytest_cache .ruff_cache .scratch src/*.egg-info
	find src stages tests tools -name __pycache__ -type d -prune -exec rm -rf {} +

$(installed): requirements/$(LOCK).txt pyproject.toml | .venv/bin/python
	$(owner_only) mkdir -p .dvc/cache && chmod 700 .dvc/cache
	$(owner_only) .venv/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	$(owner_only) .venv/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

.venv/bin/python:
	@$(owner_only) for python in python3.11 python3 python; do \
	  "$$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || continue; \
	  exec "$$python" -m venv --clear .venv; \
	done; echo "error: expected Python 3.11 as python3.11, python3 or python, found none; install it" >&2; exit 2
