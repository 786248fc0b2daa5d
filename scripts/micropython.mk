# The MicroPython host: `make micropython` builds the firmware, `make micropython-test` tests it.
# Included by the Makefile.

.PHONY: micropython micropython-test micropython-bench

# target/micropython/micropython, and micropython-stock beside it; MICROPYTHON_DIR=... for an own checkout.
micropython:
	cargo build --release --locked
	scripts/micropython-build

# MicroPython's own tests, compared with stock, then ours.
micropython-test: micropython
	scripts/micropython-upstream-tests
	python3 micropython-tests/run.py

micropython-bench: micropython
	python3 benches/micropython/run.py
