# The short way to everything.  `make` lists what there is.
# Most targets hand over to the lab's own command, `python -m tests.lab`; see
# its --help for more.  Set-up is done by the target that needs it.

PYTHON ?= python3
# Compiling Azure's SDK anew for every preview would cost seconds.
unexport PYTHONDONTWRITEBYTECODE
LAB := .venv/bin/python -m tests.lab
SCRIPTS = $(shell git ls-files '*.sh' .ci/run)

.DEFAULT_GOAL := help
.PHONY: help up down status mysql preview stack test unit lint

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

up: .venv/.stamp ## bring up a cluster in the lab, and tell how to reach it
	@$(LAB) up

down: .venv/.stamp ## take away every trace of the lab
	@$(LAB) down

status: .venv/.stamp ## show the cluster in the lab
	@$(LAB) status

mysql: .venv/.stamp ## open a client on the cluster in the lab (reads its input if it is piped)
	@$(LAB) mysql

preview: .venv/.stamp ## show what `pulumi up` would change line by line (STACK=lab, ARGS=--json)
	@$(LAB) preview $(if $(STACK),--stack $(STACK)) $(ARGS)

stack: .venv/.stamp ## make a new stack with every secret it needs (STACK=name)
	@$(if $(STACK),,$(error STACK is missing: make stack STACK=name))
	@.venv/bin/python -m components.new_stack $(STACK)

test: lint ## run all checks and tests, those in a lab of their own too
	@$(LAB) set-up debian-12 debian-sid
	@.venv/bin/python -m pytest

unit: .venv/.stamp ## run the tests that need neither root nor a lab
	@.venv/bin/python -m pytest tests/unit tests/golden

lint: .venv/.stamp ## check style, types and shell scripts
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/pyright
	.venv/bin/shellcheck $(SCRIPTS)

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
