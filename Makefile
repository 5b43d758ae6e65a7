# make demo    show the library at work on this machine
# make check   the quick tier: style, types, unit tests
# make test    everything; as root on Debian with real Slurm clusters, which it installs, starts and removes
#              make test PYTEST_ARGS="-k foo" runs a part
# make test-slurm-versions    the tests of all executors and of Slurm on the Slurm of newer Debian releases, as root;
#              VERSIONS="trixie sid" names them, PYTEST_ARGS="-k foo" runs a part. The first time it makes a folder of
#              each, of 300 MB, with debootstrap in /var/cache/psij-like-test
# make reliability    specifications, answers and faults by the thousand, as in docs/reliability.md: half an hour;
#              PSIJ_TEST_SEED=7 makes a run again, PSIJ_RELIABILITY=0.1 is a tenth of it, PYTEST_ARGS="-k chaos" a part
# make docs    the documentation site, in build/site
# make bench   the table of docs/performance.md; BENCH_ARGS=--quick for a rough one
# make slurm-shell CMD='sinfo'   a command (without CMD: a shell) on a real four-node cluster, as root;
#              SHELL_ARGS=--no-accounting starts it quicker
# make clean   remove what these have made

PYTHON := $(shell /usr/bin/python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null \
            && echo /usr/bin/python3 || echo python3)
ROOT := $(filter 0,$(shell id -u))
INSTALLED := .venv/.installed
AS_ORDINARY_USER := exec env PYTHONPATH=tests $(PYTHON) -B -m clusters.as_ordinary_user make --no-print-directory
PYTEST_ARGS ?=
CMD ?=
SHELL_ARGS ?=
export PYTEST_ARGS CMD

BENCH_ARGS ?=

VERSIONS ?= trixie sid
RELIABILITY_TESTS := tests/reliability tests/slurm/test_slurm_outages.py tests/executors/test_clients.py \
    tests/executors/test_hostile_values.py tests/unit/test_doorbell.py tests/unit/test_evidence_random.py \
    tests/unit/test_private_places.py tests/unit/test_late_cancel.py tests/unit/test_retry.py
SLURM_TESTS := tests/executors tests/slurm/test_slurm_ends.py

.PHONY: docs demo check test reliability reliability-here test-slurm-versions slurm-versions-here bench everything lint slurm-shell slurm-shell-here clean
.DELETE_ON_ERROR:

demo: $(INSTALLED)
	.venv/bin/python -m psij_like.demo

docs: $(INSTALLED)
	NO_MKDOCS_2_WARNING=1 .venv/bin/python -m mkdocs build --strict

check: lint
	.venv/bin/python -m pytest -q tests/unit

lint: $(INSTALLED)
	.venv/bin/ruff check
	.venv/bin/mypy

ifeq ($(ROOT),0)
test:
	@$(AS_ORDINARY_USER) everything

reliability:
	@$(AS_ORDINARY_USER) reliability-here

test-slurm-versions:
	@$(AS_ORDINARY_USER) slurm-versions-here VERSIONS='$(VERSIONS)'

slurm-shell:
	@$(AS_ORDINARY_USER) slurm-shell-here SHELL_ARGS='$(SHELL_ARGS)'
else
test: everything

reliability: reliability-here

test-slurm-versions: slurm-versions-here

slurm-shell: slurm-shell-here
endif

# A part of the tests is asked for by somebody who works on it: no need to check all of the style first.
# All of them run as three groups side by side, as those on real schedulers mostly wait.
ifneq ($(PYTEST_ARGS),)
everything: $(INSTALLED)
	.venv/bin/python -m pytest $(PYTEST_ARGS)
else
everything: $(INSTALLED) lint
	@.venv/bin/python -m pytest -m slurm >.slurm.log 2>&1 & slurm=$$!; \
	.venv/bin/python -m pytest -m 'simulated and not slurm' >.simulated.log 2>&1 & simulated=$$!; \
	.venv/bin/python -m pytest -m 'not slurm and not simulated'; code=$$?; \
	wait $$slurm || code=1; echo; echo 'On real Slurm:'; cat .slurm.log; \
	wait $$simulated || code=1; echo; echo 'On simulated schedulers:'; cat .simulated.log; exit $$code
endif

PSIJ_RELIABILITY ?= full
reliability reliability-here: export PSIJ_RELIABILITY := $(PSIJ_RELIABILITY)
reliability-here: $(INSTALLED)
	.venv/bin/python -m pytest $(RELIABILITY_TESTS) $(PYTEST_ARGS)

test-slurm-versions slurm-versions-here: export PSIJ_TEST_SLURM_RELEASES := $(VERSIONS)
slurm-versions-here: $(INSTALLED)
	.venv/bin/python -m pytest $(SLURM_TESTS) $(PYTEST_ARGS)

MEASURE = python -m pip install --quiet --disable-pip-version-check -e '.[bench]' && python -m benchmarks $(BENCH_ARGS)
ifeq ($(ROOT),0)
bench:
	@$(MAKE) --no-print-directory slurm-shell CMD="$(MEASURE)"
else
bench: $(INSTALLED)
	PATH="$$PWD/.venv/bin:$$PATH" && $(MEASURE)
endif

slurm-shell-here: $(INSTALLED)
	@PYTHONPATH=tests $(PYTHON) -m clusters.shell $(SHELL_ARGS) "$$CMD"

$(INSTALLED): pyproject.toml
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	    || PYTHONPATH=tests $(PYTHON) -B -m clusters.debian python3-venv
	@echo 'Installing into .venv ...' >&2
	@$(PYTHON) -m venv .venv
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check -e '.[test,lint]'
	@touch $@

clean:
	rm -rf .venv .environments .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
