# abstractor: `make` prints the targets. Needs Python 3.11 to 3.13, git, make and a package index that pip can reach.

SHELL := bash
.DEFAULT_GOAL := help

# The first of these that is of a version named here and makes a whole virtual environment.
pythons := python3.11 python3.12 python3.13 python3 python
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

# A user's settings would bring other modules, or have pip install elsewhere.
unexport PYTHONPATH PYTHONHOME PYTHONSAFEPATH PIP_TARGET PIP_PREFIX PIP_ROOT PIP_PYTHON
export PIP_USER := 0

installed := .venv/.installed-$(LOCK)
# The tools of the audit and of the documentation, apart from the packages that the project runs on.
audit_tools := .venv/audit/.installed
docs_tools := .venv/docs/.installed
# One process leaves a core idle; a file's tests share what was costly to make, and the long files come first.
two_processes := -n 2 --dist loadfile --no-loadscope-reorder
# Case text passes through what these commands write: readable by its owner only.
owner_only := umask 077 &&
# What DVC was copying when it was killed, under a name of its own: it would refuse to go on past it.
no_half_copies := find data models -type f -name '.*.tmp' -delete

.PHONY: help setup repro mend test test-slow quick corpus new-cases remote check-remote push pull predict hand-back blend \
  recipe deps params accept pin-backbones bench ablate t4-plan t4-bundle docs plots-page lock supply-chain audit clean

help: ## print this help
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(installed) ## virtual environment with the pinned packages (LOCK=gpu: with the gpu extra)

repro: mend ## run the pipeline: dvc repro
	$(owner_only) dvc repro

mend: setup ## put right what DVC left half-written when it was killed
	@$(owner_only) python tools/mend.py

test: setup ## lint, types and all tests
	$(owner_only) ruff check . && ruff format --check . && mypy && pytest -m "" $(two_processes)

test-slow: setup ## every fault, kill and odd input -> metrics/reliability.json
	$(owner_only) pytest -m reliability --thorough --tally=metrics/reliability.json

quick: setup ## lint, types and the unit tests
	$(owner_only) ruff check . && ruff format --check . && mypy && pytest $(two_processes)

corpus: setup ## put a corpus in place: make corpus NAME=osha FROM=folder
	@$(if $(and $(NAME),$(FROM)),,echo "usage: make corpus NAME=osha FROM=folder" >&2; exit 2)
	$(owner_only) python stages/import_corpus.py "$(NAME)" "$(FROM)"

new-cases: setup ## put new cases in place: make new-cases FROM=file.csv
	@$(if $(FROM),,echo "usage: make new-cases FROM=file.csv" >&2; exit 2)
	$(owner_only) python stages/import_new_cases.py "$(FROM)"

remote: setup ## where models and predictions wait for other machines: make remote URL=ssh://host/folder
	@$(if $(URL),,echo "usage: make remote URL=ssh://host/folder (or a folder, or s3://bucket/folder)" >&2; exit 2)
	dvc remote add --force --default trusted-store "$(URL)"
	@# Else DVC keeps a half-copied file, whose transfer broke off, and calls it up to date.
	dvc remote modify trusted-store verify true

check-remote: setup ## hash all that the trusted and the default remote hold, remove what is not whole
	@python tools/check_remote.py

push: setup ## push models and predictions to the trusted remote, with the run cache; never narratives
	$(owner_only) python tools/push.py

pull: mend ## fetch the models that predicting needs, and nothing else
	$(no_half_copies)
	$(owner_only) python tools/pull.py

predict: pull ## predict the new cases with pulled models, without training
	$(owner_only) dvc repro --single-item --allow-missing prepare_new infer_t4_sc infer_t4_ar infer_t4

hand-back: setup ## give predictions back: push them, commit dvc.lock
	$(owner_only) python tools/push.py infer_t4_sc infer_t4_ar infer_t4
	git diff --quiet HEAD -- dvc.lock || git commit --quiet --message "Predict new cases" -- dvc.lock
	git push

blend: mend ## weights, thresholds and submission from predictions that another machine gave back
	$(no_half_copies)
	$(owner_only) dvc pull infer_t4_sc infer_t4_ar infer_t4
	$(owner_only) dvc repro evaluate

recipe: setup ## put a recipe into params.yaml: make recipe NAME=lean (or two_rounds, reference, ablation)
	@$(if $(NAME),,echo "usage: make recipe NAME=lean" >&2; exit 2)
	@python tools/recipe.py "$(NAME)"

deps: setup ## write into dvc.yaml which code each stage depends on
	@python tools/deps.py

params: setup ## write comments of params.yaml and params.schema.json from the types
	@python tools/params.py

accept: setup ## record new code that changes no number for the outputs there are
	$(owner_only) python tools/accept.py

pin-backbones: setup ## look up the hub revisions that a file leaves open, online (PARAMS=file)
	@python tools/pin_backbones.py $(if $(PARAMS),--params $(PARAMS))

bench: setup ## measure every speed claim on this machine -> docs/evidence/benchmarks.md (QUICK=1: does it run?)
	dvc repro fetch_backbone
	python benchmarks/all.py $(if $(QUICK),--quick)

ablate: setup ## each ingredient with and without, 2 to 3 hours -> docs/evidence/ablation.md (FROM=osha folder, ROWS=a,b)
	@$(if $(FROM),,echo "usage: make ablate FROM=folder" >&2; exit 2)
	$(owner_only) python benchmarks/ablate.py --from "$(FROM)" $(if $(ROWS),--rows $(ROWS))

t4-plan: setup ## projected seconds and memory on a T4 of what params.yaml trains (PARAMS=file)
	@python tools/t4_plan.py $(if $(PARAMS),--params $(PARAMS))

t4-bundle: setup ## one archive that predicts without network, git or DVC -> build/t4-bundle.tar
	$(owner_only) python tools/t4_bundle.py

docs: $(docs_tools) ## the documentation as a site that asks no other host for anything -> build/docs/index.html
	.venv/docs/bin/python -m sphinx --quiet --fail-on-warning --keep-going -d build/doctrees docs build/docs
	@echo "build/docs/index.html: written"

plots-page: setup ## fetch the scripts of the page of dvc plots show anew, by npm -> .dvc/plots/page.html
	python tools/plots_page.py

lock: setup ## pin all versions anew: pyproject.toml -> requirements/*.txt
	python tools/lock.py

supply-chain: $(audit_tools) ## licences, bills of materials -> docs/evidence/licences.md, requirements/*.cdx.json
	python tools/supply_chain.py

audit: $(audit_tools) ## known vulnerabilities, online -> docs/evidence/audit.md (OSV_URL=a mirror's query address)
	python tools/audit.py $(if $(OSV_URL),--osv-url "$(OSV_URL)")

clean: ## remove the environment and the tools' caches, no data and no model
	rm -rf .venv .hypothesis .mypy_cache .pytest_cache .ruff_cache .scratch build/docs build/doctrees src/*.egg-info
	find src stages tests tools -name __pycache__ -type d -prune -exec rm -rf {} +

$(installed): requirements/$(LOCK).txt .venv/bin/python .venv/bin/pip
	@# DVC gives what it fetches modes of its own, so others may not enter at all.
	chmod 700 .dvc data models
	$(owner_only) .venv/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@git config core.hooksPath >/dev/null || git config core.hooksPath tools/hooks || \
	  echo "no commit hook installed; make test looks for case data in git too" >&2
	touch $@

$(audit_tools) $(docs_tools): .venv/%/.installed: requirements/%.txt | setup
	.venv/bin/python -m venv --clear .venv/$*
	.venv/$*/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	touch $@

# pip comes last: an environment without it is half-made, and made anew.
.venv/bin/python .venv/bin/pip &:
	@rm -rf .venv
	@$(owner_only) bare=; for python in $(pythons); do \
	  name=$$("$$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])' 2>/dev/null); \
	  [[ " $(pythons) " == *" $$name "* ]] || continue; \
	  "$$python" -m venv .venv >/dev/null && exit; \
	  rm -rf .venv; bare=$${bare:-$$name}; \
	done; \
	if [ "$$bare" ]; then \
	  echo "error: expected a virtual environment with pip, found that $$bare cannot make one; install $$bare-venv" >&2; \
	else \
	  echo "error: expected one of $(filter python3.%,$(pythons)), found none; install one, with its -venv package" >&2; \
	fi; exit 2
