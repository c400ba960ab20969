# csstream: make demo, make test. Everything is set up in .venv from the lock files.
PYTHON ?= python3
VENV := .venv
COMPILED := build/compiled
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help setup demo test tools check format bench peers contest live mutants kafka dashboards screenshots compiled pure lock clean

help: ## what can be made
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(READY): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "csstream needs Python 3.11 or later; name one: make PYTHON=python3.12 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

setup: $(READY) ## the virtual environment, from the lock file

demo: $(READY) ## a simulated shop, live on the wall and in this terminal (ARGS="--speed 5 --for 1m")
	@$(BIN)/csstream demo $(ARGS)

test: $(READY) ## all tests
	$(BIN)/python -m pytest $(ARGS)

check: $(READY) ## lint, format check, strict types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY) ## lint fixes and format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

TOOLS := promtool:prometheus amtool:prometheus-alertmanager chromium:chromium docker-compose:docker-compose \
	systemd-analyze:systemd java:default-jre-headless mvn:maven

tools: ## programs of others that tests run; what is missing, from Debian (as root). Without one its tests are skipped
	@missing=$$(for tool in $(TOOLS); do command -v $${tool%%:*} >/dev/null || echo $${tool#*:}; done); \
	test -z "$$missing" || { apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive apt-get install -qqy --no-install-recommends $$missing; }

screenshots: $(READY) ## the pictures of the README anew, from a real run (needs Chromium: make tools)
	$(BIN)/python -m tests.screenshots

dashboards: $(READY) ## Grafana's JSON anew, from deploy/grafana/boards
	$(BIN)/python -m deploy.grafana.boards

kafka: $(READY) ## a Kafka node to try things by hand (fetched once; needs Java 17+ and Maven)
	$(BIN)/python -m tests.kafka.node

bench: $(READY) ## replay against DuckDB and a bare loop, as ratios
	$(BIN)/python -m tests.bench.bench_replay $(ARGS)

# As the image's Python, that of a distribution is optimized by profiles; one built at home often is not, and slower by a
# tenth or more, whoever runs on it. So all contenders run on the former, where csstream can be compiled for it.
OPTIMIZED = import ensurepip, os, sys, sysconfig; \
	sys.exit(sys.version_info < (3, 11) or not os.path.exists(sysconfig.get_path("include") + "/Python.h"))

peers: ## the worker beside Faust, Quix, bytewax and Kafka Streams, on a real Kafka
	@$(MAKE) contest VENV=build/peers COMPILED=build/peers/compiled \
		PYTHON=$$(/usr/bin/python3 -c '$(OPTIMIZED)' 2>/dev/null && echo /usr/bin/python3 || echo $(PYTHON))

contest: $(READY) $(COMPILED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bench.lock
	cp -R csstream $(COMPILED) # what is not compiled may be newer
	$(BIN)/python -m tests.bench.bench_worker --compiled $(COMPILED) $(ARGS)

live: $(READY) ## how soon the worker tells, and how soon it is back after a kill, on a real Kafka
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bench.lock
	$(BIN)/python -m tests.bench.bench_live $(ARGS)

mutants: $(READY) ## break each rule of the core, one at a time: a test must notice
	$(BIN)/python -m tests.mutants

CORE := calendar changes conversation canon audit kinds rules scores scoreboard firsts step chapters \
	seen customer shop shop_row engine \
	$(filter-out %/__init__ %/rows %/rulebook, $(patsubst csstream/core/%.py,%,$(wildcard csstream/core/floor/*.py))) \
	orders/desk orders/quiet orders/terms

compiled: pure $(COMPILED) ## the core as machine code, beside its text (needs a C compiler); csstream.core.COMPILED says so
	cp $(COMPILED)/*__mypyc.*.so .
	cd $(COMPILED) && cp --parents $$(find csstream -name '*.so') $(CURDIR)

$(COMPILED): $(READY) $(wildcard csstream/*.py csstream/core/*.py csstream/core/*/*.py)
	rm -rf $@
	mkdir -p $@ && cp -R csstream $@ && find $@ -name '*.so' -delete
	@# What one module has for another is nobody else's: such calls go straight, and may be compiled into each other.
	cd $@ && PYTHONPATH=. CFLAGS="-fvisibility=hidden -fno-plt" $(abspath $(BIN))/python -m mypyc \
		$(CORE:%=csstream/core/%.py)

pure: ## the core as plain Python again
	rm -f *__mypyc.*.so
	find csstream -name '*.so' -delete

lock: $(READY) ## the lock files anew, from pyproject.toml
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --upgrade pyproject.toml --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header --no-annotate -o requirements.lock
	$(BIN)/uv pip compile --quiet --upgrade pyproject.toml --group dev --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-header --no-annotate -o requirements-dev.lock
	$(BIN)/uv pip compile --quiet --upgrade pyproject.toml --group dev --group bench --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-header --no-annotate -o requirements-bench.lock

clean: pure ## what was made, the environment too
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis dist build
