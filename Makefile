# The short way to everything.  `make` lists all targets.
# Most of them call the lab's own command, `python -m lab`; see its
# --help for more.  A target that needs set-up does it itself.

PYTHON ?= python3
# Compiling Azure's SDK anew for every preview would cost seconds.
unexport PYTHONDONTWRITEBYTECODE
# Which lab: make up LAB=two
LAB = lab
COMMAND = .venv/bin/python -m lab --lab $(LAB)
SCRIPTS = $(shell git ls-files '*.sh' .ci/run policy/pack ':!tests/golden')
RENDERED = build/rendered
# Two workers, each with whole modules, in the order of tests/conftest.py.
TWO = -n 2 --dist loadgroup --no-loadscope-reorder
# What is done to any stack: to STACK, else to the lab's own.
ON = $(if $(STACK),.venv/bin/python -m operations.$(subst -,_,$@) --stack $(STACK),$(COMMAND) $@)
GITLEAKS = go -C tests/supply tool gitleaks git --config $(CURDIR)/tests/supply/gitleaks.toml --no-banner --redact
ACTIONLINT = go -C tests/workflows tool actionlint -shellcheck $(CURDIR)/.venv/bin/shellcheck -pyflakes ''

.DEFAULT_GOAL := help
.PHONY: help up down status mysql ca ssh logs move stop start drift backups verify-backup resume check preview stacks \
    stack rotate drill proof test test-all unit diagram lint lint-types lint-style lint-scripts lint-secrets audit \
    benchmark

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

up: .venv/.stamp ## bring up a cluster in the lab, and show how to reach it
	@$(COMMAND) up

down: .venv/.stamp ## remove every trace of the lab
	@$(COMMAND) down

status: .venv/.stamp ## show the cluster (STACK=prod, else the lab; ARGS=--json)
	@$(ON) $(ARGS)

mysql: .venv/.stamp ## open a client on the cluster, or run what you pipe in (STACK=prod, else the lab)
	@$(ON) $(ARGS)

ca: .venv/.stamp ## print the certificate that clients check the server against (STACK=prod, else the lab)
	@$(ON) $(ARGS)

ssh: .venv/.stamp ## open a shell on a machine, or run there what you pipe in (NODE=mysql-lab-1, STACK=prod)
	@$(ON) $(NODE) $(ARGS)

logs: .venv/.stamp ## collect the machines' journals, and all logs of the lab, in one folder (STACK=prod, else the lab)
	@$(ON) $(ARGS)

move: .venv/.stamp ## move the service to the other node (STACK=prod, else the lab; ARGS=--json)
	@$(ON) $(ARGS)

stop: .venv/.stamp ## stop a node, and keep it off until `make start` (NODE=mysql-lab-1, STACK=prod)
	@$(ON) $(NODE) $(ARGS)

start: .venv/.stamp ## start a node that was stopped (NODE=mysql-lab-1, STACK=prod)
	@$(ON) $(NODE) $(ARGS)

drift: .venv/.stamp ## show what was changed by hand on the machines, and change nothing (STACK=prod, else the lab)
	@$(ON) $(ARGS)

backups: .venv/.stamp ## show what can be restored, and how old it is (STACK=prod, else the lab; ARGS=--json)
	@$(ON) $(ARGS)

verify-backup: .venv/.stamp ## prove the backup now, by a restore on the node that does not serve (STACK=prod, else the lab)
	@$(ON) $(ARGS)

check: .venv/.stamp ## ask the subscription whether the stack can be made there, and show its price (STACK=prod, else the lab)
	@$(ON) $(ARGS)

preview: .venv/.stamp ## show what `pulumi up` would change in the lab, and its price; with STACK=prod all that a new stack gets, offline
	@$(COMMAND) preview $(if $(STACK),--stack $(STACK)) $(ARGS)

stacks: ## for pull requests: list the stacks that a change touches, or all (SINCE=main)
	@$(PYTHON) -m pipeline stacks $(if $(SINCE),--since '$(SINCE)')

stack: .venv/.stamp ## make a new stack with every secret it needs (STACK=name, FROM=prod)
	@$(if $(STACK),,$(error STACK is missing: make stack STACK=name))
	@.venv/bin/python -m operations.new_stack --stack $(STACK) $(if $(FROM),--from $(FROM))

rotate: .venv/.stamp ## change one secret of a stack (STACK=name SECRET=databasePassword); `pulumi up` applies it
	@$(if $(and $(STACK),$(SECRET)),,$(error STACK or SECRET is missing: make rotate STACK=name SECRET=databasePassword))
	@.venv/bin/python -m operations.rotate --stack $(STACK) $(SECRET)

resume: .venv/.stamp ## add to a stack's state what a killed `pulumi up` had begun to make (STACK=name)
	@$(if $(STACK),,$(error STACK is missing: make resume STACK=name))
	@.venv/bin/python -m operations.resume --stack $(STACK)

drill: .venv/.stamp ## break the cluster and prove that no write is lost (SCENARIO="power-kill standby" REPEAT=5)
	@.venv/bin/python -m drills $(if $(STACK),--stack $(STACK),--lab $(LAB)) \
	    $(if $(REPEAT),--repeat $(REPEAT)) $(SCENARIO)

proof: .venv/.stamp ## make, use, drill, change and destroy an empty stack (STACK=dev)
	@.venv/bin/python -m drills.prove $(if $(STACK),--stack $(STACK),--lab $(LAB))

test: lint ## run all checks and tests, also those in a lab of their own
	@$(COMMAND) set-up --tests
	@.venv/bin/python -m pytest $(TWO)

test-all: lint ## the same, with the tests that take many minutes: hours
	@$(COMMAND) set-up --tests
	@.venv/bin/python -m pytest $(TWO) -m ''

benchmark: .venv/.stamp ## compare the cluster with a plain disk and with Galera, in a lab of its own (ARGS="--rounds 1")
	@.venv/bin/python -m lab.benchmarks $(ARGS)

unit: .venv/.stamp ## run the quick tests; needs neither root nor a lab
	@.venv/bin/python -m pytest $(TWO) tests/golden tests/unit

diagram: .venv/.stamp ## redraw docs/architecture.svg from what the program makes
	@.venv/bin/python -W ignore -m tests.docs.diagram

lint: .venv/.stamp ## check style, types, shell scripts and workflows, and look for secrets in the history
	@$(MAKE) --no-print-directory -j2 --output-sync=target lint-types lint-style lint-scripts lint-secrets

lint-types:
	.venv/bin/pyright

lint-style:
	.venv/bin/ruff check
	.venv/bin/ruff format --check

lint-scripts:
	rm -rf $(RENDERED)
	.venv/bin/python -W ignore -m tests.golden $(RENDERED)
	.venv/bin/shellcheck $(SCRIPTS) $$(find $(RENDERED) -name '*.sh')
	$(ACTIONLINT) $(CURDIR)/.github/workflows/*.yaml
	.venv/bin/zizmor --offline --no-progress --quiet .github/workflows

lint-secrets:
	$(GITLEAKS) --verbose --log-level warn $(CURDIR)

audit: .venv/.stamp ## ask whether a vulnerability is known of a package of the locks, and list what ships (build/sbom.json)
	@mkdir -p build
	.venv/bin/python -W ignore -m cyclonedx_py requirements requirements.txt --pyproject pyproject.toml -o build/sbom.json
	@.venv/bin/python -m tests.supply

# Python's packages, exactly those of the lock.  Two makes at once must not
# both install; standard input belongs to the target, and standard output too.
.venv/.stamp: requirements-test.lock
	@flock .venv.lock $(SHELL) -euc '$(INSTALL)' </dev/null >&2

define INSTALL
[ .venv/.stamp -nt requirements-test.lock ] && exit; \
if ! $(PYTHON) -c "import ensurepip, venv" 2>/dev/null; then \
    if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then \
        echo "Python 3.11 or newer with its venv module is missing: install python3-venv"; exit 1; \
    fi; \
    echo "installing python3-venv"; \
    apt-get update -qq; \
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends python3-venv; \
fi; \
$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" || { echo "$(PYTHON) is older than 3.11"; exit 1; }; \
echo "installing the Python packages into .venv; takes a minute or two, and only once"; \
.venv/bin/python -c "" 2>/dev/null || $(PYTHON) -m venv --clear .venv; \
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes -r requirements-test.lock; \
touch .venv/.stamp
endef
