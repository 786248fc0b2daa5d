# libusocket's modules for a MicroPython build with make: socket, select, ssl in place of the port's own.
#
#     make -C ports/unix USER_C_MODULES=/path/to/libusocket/micropython
#
# The library is the checkout's own, target/release/libusocket.a (cargo build --release); where there is
# none, the installed one that pkg-config knows. USOCKET_LIB and USOCKET_INC name another. For another machine
# USOCKET_TARGET is what cargo calls it (cargo build --release --target ...), and pkg-config that of CROSS_COMPILE.

USOCKET_MOD_DIR := $(USERMOD_DIR)
# (Not through a symbolic link: a path's .. is the link's.)
USOCKET_TOP := $(abspath $(realpath $(USOCKET_MOD_DIR))/../..)
USOCKET_LIB ?= $(USOCKET_TOP)/target/$(if $(USOCKET_TARGET),$(USOCKET_TARGET)/)release/libusocket.a
USOCKET_PKG_CONFIG ?= $(CROSS_COMPILE)pkg-config
USOCKET_INC ?= $(USOCKET_TOP)/include

ifneq ($(wildcard $(USOCKET_LIB)),)
CFLAGS_USERMOD += -I$(USOCKET_INC)
LDFLAGS_USERMOD += $(USOCKET_LIB) -lpthread -ldl -lm
else ifeq ($(shell $(USOCKET_PKG_CONFIG) --exists usocket && echo yes),yes)
CFLAGS_USERMOD += $(shell $(USOCKET_PKG_CONFIG) --cflags usocket)
LDFLAGS_USERMOD += $(shell $(USOCKET_PKG_CONFIG) --libs usocket) -lpthread
else
$(error libusocket is neither built ($(USOCKET_LIB): cargo build --release$(if $(USOCKET_TARGET), --target $(USOCKET_TARGET))) nor installed)
endif

SRC_USERMOD_C += $(addprefix $(USOCKET_MOD_DIR)/,\
	runtime.c error.c arguments.c address.c \
	$(addprefix socket/,object.c connect.c transfer.c stream.c option.c class.c module.c) \
	$(addprefix select/,set.c room.c wait.c module.c) \
	$(addprefix tls/,names.c context.c agreed.c socket.c carry.c stream.c wrap.c context_class.c context_open.c module.c))

# The port's own modules make room. (This file is read before the port looks at these.)
override MICROPY_PY_SOCKET := 0
CFLAGS_USERMOD += -DMICROPY_PY_SELECT=0

# Without the port's own ssl, hashlib would lose md5 and sha1, and cryptolib would go, for they come
# from the same mbedTLS. USOCKET_HASHES=0 lets them go.
USOCKET_HASHES ?= 1
ifneq ($(USOCKET_HASHES),0)
include $(USOCKET_MOD_DIR)/hashes.mk
endif
override MICROPY_PY_SSL := 0

# Callbacks scheduled by another thread must run while the main thread waits in the library.
CFLAGS_USERMOD += -include $(USOCKET_MOD_DIR)/scheduled.h

# The port's SIGINT handler jumps out of whatever is running; runtime.c keeps it off the library.
ifneq ($(shell uname -s),Darwin)
CFLAGS_USERMOD += -DUSK_WRAP_INTERRUPT_CHAR=1
LDFLAGS_USERMOD += -Wl,--wrap=mp_hal_set_interrupt_char
endif
