# seqzoo: `make run` is a tour, `make test` the suite.
# Needs make and Python 3.11 to 3.13; everything else is installed into .venv. Package sources are
# pip's own settings: set PIP_FIND_LINKS or PIP_EXTRA_INDEX_URL to torch's CPU builds to avoid
# downloading CUDA.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
ZOO    := $(BIN)/zoo
PIP    := $(BIN)/python -m pip --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help run test lint types format ui clean

help:
	@echo "make run      a tour in three minutes: answer, train, register, answer again, explain"
	@echo "make test     the whole suite on TensorFlow, JAX and torch"
	@echo "make lint     ruff and mypy;  make format applies ruff's fixes;  make types runs mypy alone"
	@echo "make ui       browse the runs and the registered models"
	@echo "make clean    remove files of tests and builds (not .venv, not your runs)"

# ---- set up ---------------------------------------------------------------------------------

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "Python 3.11 to 3.13 is needed: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install --quiet --use-pep517 -e ".[tensorflow,train,draw]" -c constraints.txt
	@touch $@

# torch is installed first and alone, which shows early whether pip takes the CPU build
$(VENV)/installed-test: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install --quiet --use-pep517 torch -c constraints.txt
	$(PIP) install --quiet --use-pep517 -e ".[tensorflow,jax,torch,train,draw,speech,test]" -c constraints.txt
	@touch $@ $(VENV)/installed

# ---- work -----------------------------------------------------------------------------------

run: $(VENV)/installed
	@echo; echo "--- 1. A pretrained model answers"
	$(ZOO) infer bilstm_bahdanau_sst2_en "A gripping, beautifully acted film." "Not worth your time."  # positive, negative
	@echo; echo "--- 2. Train your own, on generated reviews; tracked, and registered if it passes the gate"
	$(ZOO) run sentiment/quickstart
	@echo; echo "--- 3. The registered model answers"
	$(ZOO) infer models:/quickstart@champion "The plot was not bad at all." "The plot was not good at all."  # positive, negative
	@echo; echo "--- 4. The words for and against its answer, as a picture"
	$(ZOO) explain models:/quickstart@champion "The plot was not bad at all." -o attention.png
	@echo; echo "Done. The picture is attention.png. From here ($(ZOO), or after . $(BIN)/activate just zoo):"
	@echo "  zoo ui                         browse the run, its charts and the registered model"
	@echo "  zoo ls                         the pretrained models"
	@echo "  zoo recipes                    what can be trained"
	@echo "  zoo run sentiment/quickstart model.pooling=multi_head --backend tensorflow"

test: $(VENV)/installed-test
	$(BIN)/python -m tests

lint: types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/installed-test
	$(BIN)/mypy

format: $(VENV)/installed-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

ui: $(VENV)/installed
	$(ZOO) ui

clean:
	rm -rf build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache attention.png
	find zoo recipes tests -name __pycache__ -type d -prune -exec rm -rf {} +
