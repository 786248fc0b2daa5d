# mpconfigvariant.h says what threads are: the port's Makefile knows only those without a GIL.
MICROPY_PY_THREAD = 0
FROZEN_MANIFEST ?= variants/standard/manifest.py
