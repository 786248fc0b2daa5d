# The MicroPython host: `make micropython` builds the firmware, `make micropython-test` tests it.
# Included by the Makefile.

.PHONY: micropython micropython-test micropython-bench

# target/micropython/micropython, and micropython-stock beside it; MICROPYTHON_DIR=... for an own checkout.
micropython: ## a MicroPython with our modules, and a stock one, in target/micropython
	cargo build --release --locked
	scripts/micropython-build

# MicroPython's own tests, compared with stock, then ours.
micropython-test: micropython ## MicroPython's own tests, compared with stock, then ours
	scripts/micropython-upstream-tests
	python3 micropython-tests/run.py

micropython-bench: micropython ## our modules against the stock ones
	python3 benches/micropython/run.py
