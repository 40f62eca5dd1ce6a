# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
#
# `make` tells what there is to make.

PYTHON ?= python3
TOOLS := .venv
BIN := $(TOOLS)/bin
# uv installs from where pip does.
RUN := tools/with-pip-index $(BIN)/python $(BIN)/python
# Of a demo: its directory, ldap or rest, and the first of its ports.
POCKET_OPTIONS = $(if $(DIRECTORY),--directory '$(DIRECTORY)') \
	$(if $(PORT_BASE),--port-base '$(PORT_BASE)')
KIND = $(or $(DIRECTORY),$(POCKET_DIRECTORY),ldap)
# What is installed of bindep.txt.
PROFILES = directory pocket rest test
demo demo-up: PROFILES = pocket $(if $(filter rest,$(KIND)),rest,directory)
style: PROFILES = test
test-quick: PROFILES = directory test
bench: PROFILES = directory pocket rest test bench

.DEFAULT_GOAL := help
.PHONY: help demo demo-up demo-down test test-quick test-faults bench style devstack install-guide clean packages

help: ## tell what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(TOOLS)/ready ## boot an instance, find its entry, delete it, gone (DIRECTORY=ldap or rest, PORT_BASE=23000)
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(RUN) -m pocket demo $(POCKET_OPTIONS)

demo-up: $(TOOLS)/ready ## the same cloud, left running, and how to use it
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(RUN) -m pocket up $(POCKET_OPTIONS)

demo-down: ## end all of it
	@$(PYTHON) -m pocket down

test: $(TOOLS)/ready ## every test that runs on one machine
	@$(RUN) tests/run.py

test-quick: $(TOOLS)/ready ## style, types, unit tests, one contract on a 389 DS: three minutes
	@$(RUN) tests/run.py quick

test-faults: $(TOOLS)/ready ## kill, freeze and fill what it stands on: ten minutes
	@$(RUN) tests/run.py faults faults-replayed

style: $(TOOLS)/ready ## ruff, hacking, mypy, bashate, shellcheck, doc8
	@$(RUN) tests/run.py style types

bench: $(TOOLS)/ready ## measure, beside a reference in the same run
	@$(RUN) -m tox run -q -e bench

devstack: ## a real stack.sh with this plugin, in a container: an hour, root
	@tools/devstack/run

install-guide: ## the installation guide's commands, on a bare Debian in a container: root
	@tools/install_guide/run

packages:
	@tools/install-packages $(PROFILES)

$(TOOLS)/ready: tools/requirements.txt | packages
	@echo "installing uv and tox into $(CURDIR)/$(TOOLS)"
	@$(PYTHON) -m venv $(TOOLS)
	@$(BIN)/pip install -q --disable-pip-version-check --no-cache-dir -r tools/requirements.txt
	@touch $@

clean: ## remove what was made here, and end the demo; Debian packages stay
	@if [ -d .pocket ]; then $(PYTHON) -m pocket down --purge --home .pocket; fi
	rm -rf .pocket
	rm -rf $(TOOLS) .tox .stestr .mypy_cache .ruff_cache build cover doc/build releasenotes/build *.egg-info pocket/inside/*.egg-info
	@packages=$$(tools/install-packages --installed); if [ -n "$$packages" ]; then \
		echo "Debian packages stay; as root: apt-get purge --auto-remove $$packages"; fi
