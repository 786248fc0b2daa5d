# The MicroPython host: `make micropython` builds the firmware, `make micropython-test` tests it.
# Included by the Makefile.

.PHONY: micropython micropython-test micropython-bench micropython-demo

# target/micropython/micropython, and micropython-stock beside it; MICROPYTHON_DIR=... for an own checkout.
micropython: $(RELEASE)/libusocket.a ## a MicroPython with our modules, and a stock one, in target/micropython
	scripts/micropython-build

# MicroPython's own tests, compared with stock, then ours.
micropython-test: micropython ## MicroPython's own tests, compared with stock, then ours
	python3 micropython-tests/run.py

# Against stock, in turns.
micropython-bench: micropython ## our modules against the stock ones
	python3 benches/micropython/run.py

micropython-demo: micropython certs ## the demo's third host alone
	target/micropython/micropython examples/micropython/demo.py
	target/micropython/micropython examples/micropython/mutual_tls.py target/certs
