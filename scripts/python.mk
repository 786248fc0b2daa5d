# The Python host: its accelerator, its wheel, CPython's own tests over it.

.PHONY: accelerator

FAST := target/python/_fast.abi3.so
PYTHON_INCLUDE := $(shell python3 -c 'import sysconfig; print(sysconfig.get_path("include"))' 2>/dev/null)

# Without Python's headers there is none, and the package does without.
ifneq ($(wildcard $(PYTHON_INCLUDE)/Python.h),)
accelerator: $(FAST) ## the hot calls of the Python package in C, for this checkout
else
accelerator:
	@echo "no Python.h in $(PYTHON_INCLUDE): the package stays with ctypes"
endif

$(FAST): python/fast/fast.c python/fast/arguments.h python/fast/calls.h python/fast/settings.h include/usocket.h
	@mkdir -p $(@D)
	$(CC) -std=c11 -D_GNU_SOURCE -O2 -g -Wall -Wextra -Werror -fPIC -fvisibility=hidden -shared \
		-Iinclude -I$(PYTHON_INCLUDE) -o $@ $<

.PHONY: wheel
wheel: ## the Python package's wheel (glibc 2.17 and later) and sdist in target/wheel/dist, tried in every Python here
	scripts/wheel
