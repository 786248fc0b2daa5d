# All commands: `make` lists them.

PREFIX  ?= /usr/local
LIBDIR  ?= $(PREFIX)/lib
DESTDIR ?=
# For another machine CROSS_COMPILE=aarch64-linux-gnu- names all its tools, unless they are named one by one,
# as CC and STRIP; `build-small` wants TARGET=aarch64-unknown-linux-gnu besides, which is cargo's name of it.
tool     = $(if $(filter default undefined,$(origin $1)),$(CROSS_COMPILE)$2,$($1))
CC      := $(call tool,CC,$(if $(CROSS_COMPILE),gcc,cc))
STRIP   := $(call tool,STRIP,strip)

VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
RELEASE := target/release
SOURCES := $(shell find src -name '*.rs') Cargo.toml Cargo.lock build.rs
# The libraries that a program needs besides the archive; gcc adds its own run-time library.
NATIVE  := -lpthread -lm -ldl -lrt -lutil

CFLAGS_HERE  := -std=c11 -D_GNU_SOURCE -O1 -g -Wall -Wextra -Werror -pthread -Iinclude
LIBS_HERE    := -L$(RELEASE) -lusocket -Wl,-rpath,$(abspath $(RELEASE))

.PHONY: help build cross cross-test cross-table build-small header demo test bench loom tsan fmt lint install install-small uninstall clean c-tests certs abi

help: ## this list
	@echo "libusocket $(VERSION)"
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 26

# --- the library ---------------------------------------------------------------------------------

build: $(RELEASE)/libusocket.so.0 ## the release libraries in target/release

header: ## include/usocket.h from src/ffi, and what the Python host knows of it
	cargo run -q -p header
	@python3 scripts/prototypes.py

$(RELEASE)/libusocket.so $(RELEASE)/libusocket.a &: $(SOURCES)
	cargo build --release
	@touch $(RELEASE)/libusocket.so $(RELEASE)/libusocket.a

# The name under which programs look for it at run time.
$(RELEASE)/libusocket.so.0: $(RELEASE)/libusocket.so
	ln -sfn libusocket.so $@

cross: ## the library for another machine: TARGET=arm64 or aarch64-unknown-linux-musl, FEATURES="ring tls12"
	@scripts/cross $(or $(TARGET),$(error TARGET=a triple or a name of Debian's, such as aarch64-unknown-linux-musl or arm64)) \
		--no-default-features --features "$(if $(filter undefined,$(origin FEATURES)),ring tls12,$(FEATURES))"

cross-test: ## the tests on other machines, natively or emulated: TARGET="i386 s390x", or all of them
	@scripts/cross-test $(TARGET)

cross-table: ## what cross-test found here, into docs/portability.md
	@scripts/cross-table

# With TARGET it is in target/$(TARGET)/small, and the tools are that machine's.
build-small: SMALL := target/$(if $(TARGET),$(TARGET)/)small
build-small: UNDER := $(subst -,_,$(TARGET))
build-small: FOR := $(if $(TARGET),CC_$(UNDER)="$(CC)" CARGO_TARGET_$(shell echo $(subst -,_,$(TARGET)) | tr a-z A-Z)_LINKER="$(CC)")
build-small: ## the library for small devices in target/small: ring, TLS 1.3 alone, optimised for size
	$(FOR) cargo build --profile small --no-default-features --features ring $(if $(TARGET),--target $(TARGET) --target-dir target)
	CC="$(CC)" scripts/no-backtraces $(SMALL)/libusocket.a
	LD="$(call tool,LD,ld)" OBJCOPY="$(call tool,OBJCOPY,objcopy)" AR="$(call tool,AR,ar)" scripts/one-object $(SMALL)/libusocket.a
	@# Linked once more, from the archive that has become smaller.
	echo '{ global: usocket_*; local: *; };' > $(SMALL)/exports
	$(CC) -shared -s -o $(SMALL)/libusocket.so -Wl,-soname,libusocket.so.0 -Wl,-z,nodelete,-z,relro,-z,now \
		-Wl,--version-script=$(SMALL)/exports,--gc-sections \
		-Wl,--whole-archive $(SMALL)/libusocket.a -Wl,--no-whole-archive $(NATIVE)
	ln -sfn libusocket.so $(SMALL)/libusocket.so.0
	@size=$$(stat -c %s $(SMALL)/libusocket.so); echo "$(SMALL)/libusocket.so: $$size bytes"

# --- see it work ---------------------------------------------------------------------------------

EXAMPLES := $(patsubst examples/c/%.c,target/examples/%,$(wildcard examples/c/*.c))

target/examples/%: examples/c/%.c include/usocket.h $(RELEASE)/libusocket.so.0
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_HERE) -o $@ $< $(LIBS_HERE)

demo: build certs $(EXAMPLES) ## servers and clients in C, in Python and in MicroPython, which it builds; plain and TLS
	@scripts/demo

# --- test it -------------------------------------------------------------------------------------

C_TESTS := $(patsubst c-tests/%.c,target/c-tests/%,$(wildcard c-tests/test_*.c c-tests/tool_*.c))

c-tests: $(C_TESTS) # the C test programs, built

target/c-tests/functions.h: include/usocket.h scripts/header.py
	@mkdir -p $(@D)
	python3 scripts/header.py functions > $@

target/c-tests/support.o: c-tests/support.c c-tests/support.h include/usocket.h
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_HERE) -c -o $@ $<

target/c-tests/test_%: c-tests/test_%.c $(wildcard c-tests/*.h) target/c-tests/support.o target/c-tests/functions.h \
		$(RELEASE)/libusocket.so.0
	$(CC) $(CFLAGS_HERE) -Itarget/c-tests -o $@ $< target/c-tests/support.o $(LIBS_HERE) -lcmocka

target/c-tests/tool_%: c-tests/tool_%.c include/usocket.h $(RELEASE)/libusocket.so.0
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_HERE) -o $@ $< $(LIBS_HERE)

certs: ## certificates for the tests, made anew, in target/certs
	cargo run -q --example mkcert -- target/certs

# For tests that need only existing certificates: others may be reading them.
target/certs/ca.pem:
	@$(MAKE) -s certs

test: ## everything, ending with one line that counts; installs what the tests need
	@scripts/tools
	@python3 scripts/test.py

loom: ## model-check the handle table, locks, forks, watchers and turns
	CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_DEBUG=false \
	RUSTFLAGS="--cfg loom" cargo test --release -p model --target-dir target/loom

# The standard library itself is not instrumented; tools/threads/tsan.supp lists the suppressions for that.
# The sanitizer is part of the toolchain, but behind a switch.
TSAN_RUNTIME := $(wildcard $(shell rustc --print sysroot)/lib/rustlib/*/lib/librustc*_rt.tsan.a)
tsan: ## what threads may do, under ThreadSanitizer
ifneq ($(TSAN_RUNTIME),)
	TSAN_OPTIONS=suppressions=$(CURDIR)/tools/threads/tsan.supp RUSTC_BOOTSTRAP=1 \
	RUSTFLAGS="-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer" \
	cargo test -p threads --test threads --target $$(rustc -vV | sed -n 's/^host: //p') --target-dir target/tsan
else
	@echo "this toolchain has no ThreadSanitizer"
	@echo "test result: ok. 0 passed; 0 failed; 1 ignored;"
endif

fmt: ## format the Rust code
	cargo fmt --all

lint: ## what must be clean: format, clippy, header drift, header documentation
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo clippy --no-default-features -- -D warnings
	cargo run -q -p header -- --check
	python3 scripts/header.py lint
	python3 scripts/prototypes.py --check
	@# Where scripts/tools could install them.
	@! test -x target/programs/bin/mypy || (cd python && ../target/programs/bin/mypy --cache-dir ../target/mypy usocket ussl uselect)
	@! command -v pyright >/dev/null || (cd python && pyright usocket ussl uselect)

abi: $(RELEASE)/libusocket.so.0 target/c-tests/tool_layout ## accept the exports and layouts as they are now
	python3 scripts/abi.py > c-tests/abi.txt

# --- install it ----------------------------------------------------------------------------------

LIB := $(DESTDIR)$(LIBDIR)
INC := $(DESTDIR)$(PREFIX)/include

# The files to install: cargo's, or those of `make install-small`.
BUILT := $(RELEASE)

install-small: build-small ## the same of build-small's libraries
	$(MAKE) install BUILT=target/$(if $(TARGET),$(TARGET)/)small

install: $(if $(filter $(RELEASE),$(BUILT)),$(RELEASE)/libusocket.so.0) ## header, libraries and usocket.pc under PREFIX (and DESTDIR)
	install -d $(INC) $(LIB)/pkgconfig
	install -m 644 include/usocket.h $(INC)/usocket.h
	install -m 755 $(BUILT)/libusocket.so $(LIB)/libusocket.so.$(VERSION)
	install -m 644 $(BUILT)/libusocket.a $(LIB)/libusocket.a
	$(STRIP) --strip-unneeded $(LIB)/libusocket.so.$(VERSION)
	$(STRIP) --strip-debug $(LIB)/libusocket.a
	ln -sfn libusocket.so.$(VERSION) $(LIB)/libusocket.so.0
	ln -sfn libusocket.so.0 $(LIB)/libusocket.so
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@VERSION@|$(VERSION)|' \
		-e 's|@NATIVE@|$(NATIVE)|' usocket.pc.in > $(LIB)/pkgconfig/usocket.pc
	@if [ -z "$(DESTDIR)" ] && [ "$$(id -u)" = 0 ]; then ldconfig || true; fi

uninstall: ## undo install, given the same PREFIX and DESTDIR
	rm -f $(INC)/usocket.h $(LIB)/pkgconfig/usocket.pc $(LIB)/libusocket.a $(LIB)/libusocket.so \
		$(LIB)/libusocket.so.0 $(LIB)/libusocket.so.$(VERSION)

clean: ## remove everything built
	rm -rf target

-include scripts/bench.mk
-include scripts/cpython.mk
-include scripts/python.mk
-include scripts/micropython.mk
-include scripts/mutants.mk
-include scripts/stress.mk
