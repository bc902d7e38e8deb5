# seqzoo: `make run` shows what it does, `make test` that it works.
# Needs make and Python 3.11 to 3.13; all else goes into .venv. Package sources are pip's own
# settings: with PIP_FIND_LINKS or PIP_EXTRA_INDEX_URL at torch's CPU builds, no CUDA is fetched.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
ZOO    := $(BIN)/zoo
PIP    := $(BIN)/python -m pip --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help run test lint format ui clean

help:
	@echo "make run      a tour in three minutes: answer, train, register, answer again, explain"
	@echo "make test     the whole suite on TensorFlow, JAX and torch"
	@echo "make lint     what ruff finds;  make format  mends it"
	@echo "make ui       browse the runs and the registered models"
	@echo "make clean    remove what tests and builds left (not .venv, not your runs)"

# ---- set up ---------------------------------------------------------------------------------

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "Python 3.11 to 3.13 is needed: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install --quiet --use-pep517 -e . -c constraints.txt
	@touch $@

# torch by itself and first, so that what pip takes for it is seen before anything else is fetched
$(VENV)/installed-test: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install --quiet --use-pep517 torch -c constraints.txt
	$(PIP) install --quiet --use-pep517 -e ".[jax,torch,test]" -c constraints.txt
	@touch $@ $(VENV)/installed

# ---- work -----------------------------------------------------------------------------------

run: $(VENV)/installed
	@echo; echo "--- 1. A pretrained model answers"
	$(ZOO) infer bilstm_bahdanau_sst2_en "A gripping, beautifully acted film." "Not worth your time."
	@echo; echo "--- 2. Train your own, on generated reviews; it is tracked, and registered if it is good"
	$(ZOO) run sentiment/quickstart
	@echo; echo "--- 3. The registered model answers"
	$(ZOO) infer models:/quickstart@champion "The plot was not bad at all." "The plot was not good at all."
	@echo; echo "--- 4. Where did it look?"
	$(ZOO) explain models:/quickstart@champion "The plot was not bad at all." -o attention.png
	@echo; echo "Done. The picture is attention.png. From here ($(ZOO), or after . $(BIN)/activate just zoo):"
	@echo "  zoo ui                         browse the run, its charts and the registered model"
	@echo "  zoo ls                         the pretrained models"
	@echo "  zoo recipes                    what can be trained"
	@echo "  zoo run sentiment/quickstart model.pooling=multi_head --backend tensorflow"

test: $(VENV)/installed-test
	$(BIN)/python -m tests

lint: $(VENV)/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(VENV)/installed-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

ui: $(VENV)/installed
	$(ZOO) ui

clean:
	rm -rf build dist *.egg-info .pytest_cache .ruff_cache attention.png
	find zoo recipes tests -name __pycache__ -type d -prune -exec rm -rf {} +
