# stress.mk - the machine that looks for what breaks us: `make stress` for STRESS_MINUTES (15),
# `make stress-short` the share that `make test` runs, `make stress TOOL=fork,forged` a part.
# Included by the Makefile.

.PHONY: stress stress-short stress-report stress-programs stress-sanitized

STRESS_SOURCES  := $(wildcard stress/attacks/*.c stress/faults/scenario.c stress/model/*.c stress/parsers/*.c stress/life/*.c stress/load/*.c stress/peer/*.c)
STRESS_PROGRAMS := $(patsubst %.c,target/stress/%,$(notdir $(STRESS_SOURCES))) \
	target/stress/random target/stress/faults.so
STRESS_CFLAGS   := -std=c11 -D_GNU_SOURCE -O1 -g -Wall -Wextra -pthread -Iinclude -Istress -Istress/faults -Itarget/stress
vpath %.c stress/attacks stress/faults stress/model stress/parsers stress/life stress/load stress/peer stress/random

target/stress/stress.o: stress/stress.c stress/stress.h include/usocket.h
	@mkdir -p $(@D)
	$(CC) $(STRESS_CFLAGS) -c -o $@ $<

target/stress/%: %.c target/stress/stress.o $(RELEASE)/libusocket.so.0
	$(CC) $(STRESS_CFLAGS) -o $@ $< target/stress/stress.o $(LIBS_HERE) -ldl

target/stress/calls.h: include/usocket.h stress/random/generate.py stress/usocket.py
	@mkdir -p $(@D)
	python3 stress/random/generate.py > $@

target/stress/random: stress/random/random.c target/stress/calls.h target/stress/stress.o $(RELEASE)/libusocket.so.0
	$(CC) $(STRESS_CFLAGS) -o $@ $< target/stress/stress.o $(LIBS_HERE)

target/stress/documented.h: include/usocket.h stress/faults/documented.py stress/usocket.py
	@mkdir -p $(@D)
	python3 stress/faults/documented.py > $@

target/stress/scenario: target/stress/documented.h stress/faults/faults.h

target/stress/faults.so: stress/faults/faults.c
	@mkdir -p $(@D)
	$(CC) $(STRESS_CFLAGS) -shared -fPIC -o $@ $< -ldl

stress-programs: $(STRESS_PROGRAMS) target/certs/ca.pem

stress: stress-programs ## everything that breaks libraries, done to this one; STRESS_MINUTES, STRESS_SEED, TOOL
	python3 stress/run.py --minutes $(or $(STRESS_MINUTES),15) $(if $(TOOL),--tool $(TOOL))

stress-short: stress-programs ## the share of it that `make test` runs
	python3 stress/run.py --short $(if $(TOOL),--tool $(TOOL))

stress-report: ## docs/reliability.md from the last run's results
	python3 stress/report.py

# The same programs, library and caller both under a sanitizer: SANITIZER=address or thread, and with the
# order of locks checked. Built
# beside the others; the runtime is the Rust toolchain's own, which gcc's calls fit.
SANITIZER     ?= address
SANITIZED     := target/stress-$(SANITIZER)
MACHINE       := $(shell rustc -vV | sed -n 's/^host: //p')
SANITIZED_LIB := $(SANITIZED)/$(MACHINE)/release/libusocket.a
SANITIZED_RT  := $(wildcard $(shell rustc --print sysroot)/lib/rustlib/$(MACHINE)/lib/librustc*_rt.$(if $(filter thread,$(SANITIZER)),tsan,asan).a)
# Not the faults: they stand in for malloc themselves. Not life: it loads the shared library.
SANITIZED_TOOLS := random fork core tls wire model parsers load short

$(SANITIZED_LIB): $(SOURCES)
	RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=$(SANITIZER) -Cunsafe-allow-abi-mismatch=sanitizer" \
	CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS=true \
	cargo build --release --lib --target $(MACHINE) --target-dir $(SANITIZED)

$(addprefix $(SANITIZED)/,$(SANITIZED_TOOLS)): $(SANITIZED)/%: %.c stress/stress.c stress/stress.h target/stress/calls.h target/stress/documented.h $(SANITIZED_LIB)
	$(CC) $(STRESS_CFLAGS) -fsanitize=$(SANITIZER) -c -o $@.o $<
	$(CC) $(STRESS_CFLAGS) -fsanitize=$(SANITIZER) -c -o $@-frame.o stress/stress.c
	$(CC) -o $@ $@.o $@-frame.o $(SANITIZED_LIB) -Wl,--whole-archive $(SANITIZED_RT) -Wl,--no-whole-archive \
	  -rdynamic -pthread -ldl -lm -lrt -lgcc_s

stress-sanitized: ## the C programs of it under a sanitizer: SANITIZER=address (or thread), STRESS_MINUTES, TOOL
ifneq ($(SANITIZED_RT),)
	$(MAKE) target/certs/ca.pem $(addprefix $(SANITIZED)/,$(SANITIZED_TOOLS)) SANITIZER=$(SANITIZER)
	python3 stress/run.py --built $(SANITIZED) --minutes $(or $(STRESS_MINUTES),15) --tool $(or $(TOOL),$(shell echo $(SANITIZED_TOOLS) | tr ' ' ,))
else
	@echo "this toolchain has no sanitizer for $(SANITIZER)"
endif
