# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
#
# `make` tells what there is to make.

PYTHON ?= python3
TOOLS := .venv
BIN := $(TOOLS)/bin
POCKET_OPTIONS = $(if $(DIRECTORY),--directory '$(DIRECTORY)')

.DEFAULT_GOAL := help
.PHONY: help demo demo-up demo-down test test-faults bench style devstack clean packages

help: ## tell what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: packages ## boot an instance, find its entry, delete it, gone (DIRECTORY=ldap or rest)
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pocket demo $(POCKET_OPTIONS)

demo-up: packages ## the same cloud, left running, and how to use it
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pocket up $(POCKET_OPTIONS)

demo-down: $(TOOLS)/ready ## end all of it
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pocket down

test: packages ## every test that runs on one machine
	@$(BIN)/python tests/run.py

test-faults: packages ## kill, freeze and fill what it stands on: ten minutes
	@$(BIN)/python tests/run.py faults

style: packages ## ruff, hacking, mypy, bashate, shellcheck, doc8
	@$(BIN)/python tests/run.py style types

bench: packages ## measure, beside a reference in the same run
	@tools/install-packages $(BIN)/bindep bench
	@$(BIN)/tox run -q -e bench

devstack: ## a real stack.sh with this plugin, in a container: an hour, root
	@tools/devstack/run

packages: $(TOOLS)/ready
	@tools/install-packages $(BIN)/bindep directory pocket test

$(TOOLS)/ready: tools/requirements.txt
	@tools/install-packages venv
	@$(PYTHON) -m venv $(TOOLS)
	@$(BIN)/pip install -q --disable-pip-version-check -r tools/requirements.txt
	@touch $@

clean: ## remove what was made here; ends the demo
	@if [ -d .pocket ]; then $(PYTHON) -m pocket down --purge; fi
	rm -rf $(TOOLS) .tox .stestr .mypy_cache .ruff_cache build cover doc/build releasenotes/build *.egg-info
