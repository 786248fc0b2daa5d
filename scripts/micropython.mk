# The MicroPython host: `make micropython` builds the firmware, `make micropython-test` tests it.
# Included by the Makefile.

.PHONY: micropython micropython-test micropython-newest-test micropython-programs micropython-bench micropython-demo

# target/micropython/micropython, and micropython-stock beside it; MICROPYTHON_DIR=... for an own checkout.
micropython: $(RELEASE)/libusocket.a ## a MicroPython with our modules, and a stock one, in target/micropython
	scripts/micropython-build

# MicroPython's own tests, compared with stock, then ours.
micropython-test: micropython ## MicroPython's own tests, compared with stock, then ours
	python3 micropython-tests/run.py

# The newest that a package has: Debian's unstable suite. Our tests, on ours.
NEWEST := MICROPYTHON_HOME=$(CURDIR)/target/micropython-newest MICROPYTHON_SUITE=sid
micropython-newest-test: $(RELEASE)/libusocket.a ## the firmware's tests on the newest MicroPython that Debian has
	@if $(NEWEST) scripts/micropython-source >/dev/null; then \
		$(NEWEST) scripts/micropython-build ours && $(NEWEST) python3 micropython-tests/run.py '^test_'; \
	else \
		echo "Debian's unstable suite cannot be had here"; echo "0 passed, 0 failed, 1 skipped"; \
	fi

micropython-programs: micropython ## well-known programs on stock and on ours; PROGRAMS=/checkouts of those in no package archive
	python3 micropython-tests/programs.py

# Against stock, in turns.
micropython-bench: micropython ## our modules against the stock ones
	python3 benches/micropython/run.py

micropython-demo: micropython certs ## the demo's third host alone
	target/micropython/micropython examples/micropython/demo.py
	target/micropython/micropython examples/micropython/mutual_tls.py target/certs
