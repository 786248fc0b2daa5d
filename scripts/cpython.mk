# CPython's own tests over the library.

.PHONY: cpython-tests
cpython-tests: $(RELEASE)/libusocket.so.0 ## CPython's own tests of sockets, TLS and asyncio over the library; takes minutes
	@PYTHON=$$(test -x target/venv/bin/python && echo target/venv/bin/python || echo python3); \
	PYTHON=$$(realpath -s $$PYTHON) scripts/cpython-tests
