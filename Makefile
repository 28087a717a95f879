# Every target works from a fresh clone: the environment is made in .venv from the locked, hash-checked list.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := .uv/bin/uv
export UV_PYTHON_DOWNLOADS := never

.DEFAULT_GOAL := help
.PHONY: help demo up test test-postgres test-faults test-peers fuzz lint lock clean

help:  ## cette aide
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.ready  ## quatre mois d'une grappe, réconciliés, avec ses taux
	@$(BIN)/socle demo

up: $(VENV)/.ready  ## la passerelle et tout le bac à sable
	@$(BIN)/socle up

WORKERS ?= 3
test: $(VENV)/.ready lint  ## la suite de tests (moins de 10 minutes ; make test WORKERS=1 pour un test à la fois)
	@$(BIN)/pytest -q -n $(WORKERS) --dist loadfile -m 'not peers and not faults'

test-faults: $(VENV)/.ready  ## coupures de courant, arrêts brutaux
	@$(BIN)/pytest -q -n 2 --dist loadfile -m faults

test-peers: $(VENV)/.ready  ## vrais logiciels tiers en face (paquets Debian ; saute ce qui manque)
	@$(BIN)/pytest -q -m peers

DOORS := tests/gateway/doors
test-postgres: $(VENV)/.ready  ## journal, usage, preuve, portes et démonstration sur PostgreSQL, démarré par les tests eux-mêmes
	@$(BIN)/pytest -q -n $(WORKERS) --dist loadfile --store postgres tests/gateway/journal tests/gateway/usage \
		tests/gateway/cli/test_journal_proof.py tests/gateway/cli/test_acts.py tests/gateway/conformance/test_live.py \
		$(DOORS)/test_journal_api.py $(DOORS)/test_usage_api.py $(DOORS)/test_console.py $(DOORS)/test_smtp_doubts.py \
		$(DOORS)/own/test_own_once.py $(DOORS)/own/test_own_extraction.py $(DOORS)/own/test_own_parts.py tests/e2e/test_demo_postgres.py

CASES ?= 2000
fuzz: $(VENV)/.ready  ## les tests de propriété sur des cas neufs (make fuzz CASES=5000)
	@$(BIN)/pytest -q --fuzz-cases $(CASES) --timeout 600

lint: $(VENV)/.ready
	@$(BIN)/ruff check . && $(BIN)/lint-imports --no-cache >/dev/null && $(BIN)/mypy

$(VENV)/.ready: requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if v >= (3, 11) else "Socle demande Python 3.11 ou plus récent ; %s est Python %d.%d. Indiquez-en un autre : make PYTHON=python3.12" % (sys.executable, *v))'
	@$(PYTHON) -c 'import shutil, sys; free = shutil.disk_usage(".").free >> 20; sys.exit(0 if free >= 1500 else "Il faut 1,5 Go libres pour installer Socle ; il en reste %d Mo ici." % free)'
	@test -x $(UV) || { $(PYTHON) -m venv .uv && .uv/bin/python -m pip install -q --disable-pip-version-check "uv==0.13.9" 2>&1 | grep -v WARNING || true; }
	@test -x $(UV) || { echo "L'installation de uv a échoué : un index de paquets Python est-il joignable ?" >&2; exit 1; }
	@$(UV) venv -q --allow-existing --python $(PYTHON) $(VENV)
	@$(UV) pip sync -q --python $(VENV) --require-hashes requirements-dev.lock
	@$(UV) pip install -q --python $(VENV) --no-deps -e .
	@touch $@

lock: $(VENV)/.ready  ## refait les listes verrouillées
	@$(UV) pip compile -q pyproject.toml --extra load --extra postgres --generate-hashes --no-header --no-emit-index-url --python-version 3.11 -o requirements.lock
	@$(UV) pip compile -q pyproject.toml --all-extras --group dev --generate-hashes --no-header --no-emit-index-url --python-version 3.11 -o requirements-dev.lock

clean:  ## efface l'environnement (jamais les données)
	@rm -rf $(VENV) .uv .pytest_cache .mypy_cache .ruff_cache .hypothesis
