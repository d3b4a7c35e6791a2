# make test    set everything up and run the tests
# make demo    set everything up, then build and install real packages, eight at once
# make race    the race that sagepip exists for: today's ways beside sagepip
# make crash   kill sagepip at every file-changing system call (needs strace; takes long)
# make crash-peers  pip and uv under the same tests (docs/guarantees.md)
# make sdists  real source archives, built offline by sagepip and by pip, and compared
# make wheels  real wheels of every shape, installed by sagepip and by pip, and compared
# make stress  64 installs, uninstalls, staged copies and readers at once on one site
# make bench   sagepip beside pip, uv and the least work there is (QUICK=1: a few rows, 3 minutes)
# make bench-building  build and install the same sources by sagepip, pip, uv and build, timed
# make input-table  hostile and odd wheels: sagepip beside pip, uv and installer (docs/input.md)
# make fuzz    coverage-guided fuzzing of all that reads what others wrote, a minute each
# make pyz     dist/sagepip.pyz, a zip application with all that sagepip needs (docs/spkg.md)
# make spkgs   build all of build/pkgs from nothing, rebuild it, uninstall half, verify
# make sage    Sage's own packages by its own sage-spkg, in its tree unchanged and adopted
# make filesystem DIR=/some/mount   whether a file system can do what sagepip needs
# make lint    format, lint and types

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: all test demo race crash crash-peers sdists wheels stress bench bench-building input-table fuzz pyz spkgs sage filesystem lint format clean
all: test

# The interpreter is checked first: the message of a failed venv or pip says nothing of its age.
$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "sagepip needs Python 3.11 or newer; set PYTHON=/path/to/python3" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,lint]'
	@touch $@

test: $(READY)
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile $(PYTEST_FLAGS)

demo: $(READY)
	$(BIN)/python -m bench.demo $(DEMO_FLAGS)

race: $(READY)
	$(BIN)/python -m bench.race $(RACE_FLAGS)

crash: $(READY)
	$(BIN)/python -m tests.crash.matrix $(CRASH_FLAGS)

crash-peers: $(READY)
	$(BIN)/python -m bench.peers_crash $(PEERS_FLAGS)

sdists: $(READY)
	$(BIN)/python -m bench.sdists $(SDISTS_FLAGS)

wheels: $(READY)
	$(BIN)/python -m bench.wheels $(WHEELS_FLAGS)

stress: $(READY)
	$(BIN)/python -m bench.stress $(STRESS_FLAGS)

bench: $(READY)
	$(BIN)/python -m bench.performance $(if $(QUICK),--quick) $(BENCH_FLAGS)

bench-building: $(READY)
	$(BIN)/python -m bench.building $(BUILDING_FLAGS)

input-table: $(READY)
	$(BIN)/python -m bench.input_table $(INPUT_FLAGS)

# The engine is compiled code that only this needs.
fuzz: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[fuzz]'
	$(BIN)/python -m tests.fuzz $(FUZZ_FLAGS)

pyz: $(READY)
	$(BIN)/python -m bench.pyz $(PYZ_FLAGS)

spkgs: $(READY)
	$(BIN)/python -m bench.spkgs $(SPKGS_FLAGS)

sage: $(READY)
	$(BIN)/python -m bench.sage $(SAGE_FLAGS)

filesystem: $(READY)
	$(BIN)/python -m bench.filesystem $(or $(DIR),$(error give DIR=/some/mount))

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis dist
