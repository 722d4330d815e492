# `make demo` and `make test` need Python >= 3.11 with venv and pip; they set up what they use below .venv*/.
PYTHON ?= python3
RUN := .venv/bin
TEST := .venv-test/bin
QUIET := --quiet --disable-pip-version-check

.PHONY: demo test bench clean

demo: .venv/ready
	$(RUN)/bursar plan llama-3-70b --device h100-sxm --devices 64 --seq 8192 --global-batch-tokens 4M --tokens 15T
	@echo
	$(RUN)/bursar plan src/bursar/data/models/llama-3-70b.json --device h100-sxm --devices 64 --seq 8192 --global-batch-tokens 4M --tokens 15T --lang zh
	@echo
	$(RUN)/bursar plan deepseek-v3 --device h800 --devices 2048 --seq 8192 --global-batch-tokens 4M --tokens 15T
