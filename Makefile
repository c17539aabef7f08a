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

# Only what is typed behind `make` is meant: some shells export a NAME of their own.
$(foreach name,NAME FROM URL REV ROWS PARAMS CARD QUICK,$(if $(filter environment,$(origin $(name))),$(eval $(name) :=)))

# A user's settings would bring other modules, or have pip install elsewhere.
unexport PYTHONPATH PYTHONHOME PYTHONSAFEPATH PIP_TARGET PIP_PREFIX PIP_ROOT PIP_PYTHON
export PIP_USER := 0

# A copy of the lock, so that a script can tell whether it is still the one that was installed.
installed := .venv/.installed-$(LOCK)
# An environment is whole if its Python runs and has pip (Debian's lacks it without python3-venv), no installation was
# killed in it, and it lies where it was made: its scripts name that place.
whole := $(shell .venv/bin/python -Ic "import pip" 2>/dev/null && [ ! -e .venv/.installing ] && \
  { [ ! -e .venv/bin/activate ] || grep -qF "$$(realpath .venv)" .venv/bin/activate; } && echo yes)
# The tools of the audit and of the documentation, apart from the packages that the project runs on.
audit_tools := .venv/audit/.installed
docs_tools := .venv/docs/.installed
# bitsandbytes, which tests run on a CPU. Apart, since peft imports it wherever it finds it: two seconds of each stage.
test_tools := .venv/test/.installed
# One process leaves a core idle; a file's tests share what was costly to make, and the long files come first.
two_processes := -n 2 --dist loadfile --no-loadscope-reorder
# Case text passes through what these commands write: readable by its owner only.
owner_only := umask 077 &&
# What DVC was copying when it was killed, under a name of its own: it would refuse to go on past it.
no_half_copies := find data models -type f -name '.*.tmp' -delete

.PHONY: help checkout setup repro mend test test-slow quick codebook corpus baseline new-cases remote check-remote push \
  pull predict hand-back blend scores recipe deps params accept pin-backbones bench gpu-check ablate t4-plan train-plan \
  t4-bundle docs plots-page lock supply-chain audit clean

help: ## print this help
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# Whatever the clone lacks to be guarded and to run its own code: said each time, since nothing else would tell.
checkout:
	@for folder in stages tools benchmarks; do [ -d $$folder/abstractor ] || { echo "error: expected $$folder/abstractor" \
	  "to be a link to ../src/abstractor, found none: git made no links here; on a file system that has them, run" \
	  "\`git config core.symlinks true\` and \`git checkout -- stages tools benchmarks\`" >&2; exit 2; }; done
	@# The settings of a repository around an unpacked archive, and a hook that is there already, are another's.
	@[[ "$$(git rev-parse --show-toplevel 2>/dev/null)" -ef . ]] || { echo "warning: this folder is no git repository of" \
	  "its own: nothing refuses case data, and DVC keeps no experiments; run \`git init && make checkout && git add -A" \
	  "&& git commit -m Start\`" >&2; exit 0; }; \
	hook=$$(git rev-parse --git-path hooks/pre-commit); \
	if ! git config core.hooksPath >/dev/null && [ ! -x "$$hook" ]; then \
	  git config core.hooksPath tools/hooks; hook=tools/hooks/pre-commit; \
	fi; \
	[[ $$hook -ef tools/hooks/pre-commit && -x $$hook ]] || \
	  echo "warning: before a commit git runs $$hook, not tools/hooks/pre-commit: nothing refuses case data;" \
	  "have that call it, or run \`git config core.hooksPath tools/hooks; chmod +x tools/hooks/*\`" >&2

setup: checkout $(installed) ## virtual environment with the pinned packages (or LOCK=gpu)

repro: mend ## run the pipeline: dvc repro
	$(owner_only) dvc repro

mend: setup ## put right what DVC left half-written when it was killed
	@$(owner_only) python tools/mend.py

test: setup $(test_tools) ## lint, types and all tests
	$(owner_only) ruff check . && ruff format --check . && mypy && pytest -m "" $(two_processes)

test-slow: setup $(test_tools) ## every fault, kill and odd input -> metrics/reliability.json
	$(owner_only) pytest -m reliability --thorough --tally=metrics/reliability.json

quick: setup $(test_tools) ## lint, types and the unit tests
	$(owner_only) ruff check . && ruff format --check . && mypy && pytest $(two_processes)

codebook: setup ## draft a codebook: make codebook NAME=mine FROM=table.csv
	@$(if $(FROM),,echo "usage: make codebook NAME=mine FROM=table.csv" >&2; exit 2)
	$(owner_only) python tools/codebook.py "$(or $(NAME),mine)" "$(FROM)"

corpus: setup ## put a corpus in place: make corpus NAME=osha FROM=folder
	@$(if $(and $(NAME),$(FROM)),,echo "usage: make corpus NAME=osha FROM=folder" >&2; exit 2)
	$(owner_only) python stages/import_corpus.py "$(NAME)" "$(FROM)"

baseline: setup ## the score to beat, in seconds (NAME=mine: of that corpus)
	@# The demo is made by the pipeline itself.
	@[[ "$(NAME)" =~ ^(demo)?$$ || "$(NAME)" =~ ^[a-z][a-z0-9_]*$$ && -d "data/raw/$(NAME)" ]] || { \
	  echo "error: data/raw/$(NAME): expected a corpus, found none; put it in place with" \
	  "\`make corpus NAME=$(NAME) FROM=folder\`, and params.yaml stays as it is" >&2; exit 2; }
	@$(if $(NAME),sed -i "s/^corpus:.*/corpus: $(NAME)/" params.yaml)
	$(owner_only) dvc repro baseline
	@python tools/baseline.py

new-cases: setup ## put new cases in place: make new-cases FROM=file.csv
	@$(if $(FROM),,echo "usage: make new-cases FROM=file.csv" >&2; exit 2)
	$(owner_only) python stages/import_new_cases.py "$(FROM)" $(if $(NAME),"$(NAME)")

remote: setup ## where models wait for others: make remote URL=ssh://host/dir
	@$(if $(URL),,echo "usage: make remote URL=ssh://host/folder (or a folder, or s3://bucket/folder)" >&2; exit 2)
	dvc remote add --force --default trusted-store "$(URL)"
	@# Else DVC keeps a half-copied file, whose transfer broke off, and calls it up to date.
	dvc remote modify trusted-store verify true

check-remote: setup ## hash all that our remotes hold, remove what is not whole
	@python tools/check_remote.py

push: setup ## push models and predictions to the trusted remote
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

blend: mend ## weights and submission from predictions that were given back
	$(no_half_copies)
	$(owner_only) python tools/pull.py infer_t4_sc infer_t4_ar infer_t4
	$(owner_only) dvc repro evaluate

scores: setup ## systems and variables beside those of a commit (REV=HEAD~1)
	@python tools/scores.py $(if $(REV),"$(REV)")

recipe: setup ## apply NAME=base, lean, two_rounds, reference, ablation
	@$(if $(NAME),,echo "usage: make recipe NAME=lean" >&2; exit 2)
	@python tools/recipe.py "$(NAME)"

deps: setup ## write into dvc.yaml which code each stage depends on
	@python tools/deps.py

params: setup ## write schema and comments of params.yaml from their types
	@python tools/params.py

accept: setup ## record new code that changes no number for outputs that exist
	$(owner_only) python tools/accept.py

pin-backbones: setup ## look up hub revisions that a file leaves open (PARAMS=file)
	@python tools/pin_backbones.py $(if $(PARAMS),--params $(PARAMS))

bench: setup ## measure every speed claim on this machine (QUICK=1: a try)
	dvc repro fetch_backbone
	python benchmarks/all.py $(if $(QUICK),--quick)

gpu-check: setup ## try on a GPU what the code claims about one
	$(owner_only) python benchmarks/gpu_check.py

ablate: setup ## each ingredient with and without: FROM=osha folder, ROWS=a,b
	@$(if $(FROM),,echo "usage: make ablate FROM=folder" >&2; exit 2)
	$(owner_only) python benchmarks/ablate.py --from "$(FROM)" $(if $(ROWS),--rows $(ROWS))

t4-plan: setup ## seconds and memory of params.yaml on a T4 (PARAMS=file)
	@python tools/plan.py predict $(if $(PARAMS),--params $(PARAMS))

train-plan: setup ## memory and hours of training on a GPU (PARAMS=file CARD=4090)
	@python tools/plan.py train $(if $(PARAMS),--params $(PARAMS)) $(if $(CARD),--card $(CARD))

t4-bundle: setup ## one archive that predicts without network, git or DVC
	$(owner_only) python tools/t4_bundle.py

docs: $(docs_tools) ## the documentation as a site without other hosts -> build/docs
	.venv/docs/bin/python -m sphinx --quiet --fail-on-warning --keep-going -d build/doctrees docs build/docs
	@echo "build/docs/index.html: written"

plots-page: setup ## fetch what draws plots, by npm -> .dvc/plots/page.html
	python tools/plots_page.py

lock: setup ## pin all versions anew: pyproject.toml -> requirements/*.txt
	python tools/lock.py

supply-chain: $(audit_tools) ## licences and bills of materials of what the locks install
	python tools/supply_chain.py

audit: $(audit_tools) ## known vulnerabilities, online (OSV_URL=a mirror's address)
	python tools/audit.py $(if $(OSV_URL),--osv-url "$(OSV_URL)")

clean: ## remove environment and caches of tools, no data and no model
	rm -rf .venv .hypothesis .mypy_cache .pytest_cache .ruff_cache .scratch build/docs build/doctrees src/*.egg-info
	find src stages tests tools -name __pycache__ -type d -prune -exec rm -rf {} +

$(installed): requirements/$(LOCK).txt .venv/bin/python
	@# DVC gives what it fetches modes of its own, so others may not enter at all.
	chmod 700 .dvc data models
	@# PIP_USER is overruled above; these cannot be.
	@! .venv/bin/python -m pip config list | grep -E "\.(target|prefix|root|python|dry-run)=" >&2 || { \
	  echo "error: by the line above, pip would install elsewhere; take it out of its configuration" >&2; exit 2; }
	@touch .venv/.installing
	$(owner_only) .venv/bin/python -m pip install --quiet --disable-pip-version-check -r $< || \
	  { rm .venv/.installing; exit 2; }
	@rm .venv/.installing
	cp $< $@

$(audit_tools) $(docs_tools): .venv/%/.installed: requirements/%.txt | setup
	.venv/bin/python -m venv --clear .venv/$*
	.venv/$*/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	touch $@

$(test_tools): requirements/gpu.txt | setup
	@rm -rf .venv/test
	grep ^bitsandbytes== $< >.venv/test.txt
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --target .venv/test -r .venv/test.txt
	touch $@

ifneq ($(whole),yes)
.PHONY: .venv/bin/python
endif
.venv/bin/python:
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
