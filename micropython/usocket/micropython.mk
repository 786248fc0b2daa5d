# libusocket's modules for a MicroPython build with make: socket, select, ssl in place of the port's own.
#
#     make -C ports/unix USER_C_MODULES=/path/to/libusocket/micropython
#
# The library is the checkout's own, target/release/libusocket.a (cargo build --release); where there is
# none, the installed one that pkg-config knows. USOCKET_LIB and USOCKET_INC name another.

USOCKET_MOD_DIR := $(USERMOD_DIR)
USOCKET_TOP := $(abspath $(USOCKET_MOD_DIR)/../..)
USOCKET_LIB ?= $(USOCKET_TOP)/target/release/libusocket.a
USOCKET_INC ?= $(USOCKET_TOP)/include

ifneq ($(wildcard $(USOCKET_LIB)),)
CFLAGS_USERMOD += -I$(USOCKET_INC)
LDFLAGS_USERMOD += $(USOCKET_LIB) -lpthread -ldl -lm
else ifeq ($(shell pkg-config --exists usocket && echo yes),yes)
CFLAGS_USERMOD += $(shell pkg-config --cflags usocket)
LDFLAGS_USERMOD += $(shell pkg-config --libs usocket) -lpthread
else
$(error libusocket is neither built ($(USOCKET_LIB): cargo build --release) nor installed)
endif

SRC_USERMOD_C += $(addprefix $(USOCKET_MOD_DIR)/,\
	runtime.c address.c modsocket.c socket.c socket_methods.c \
	socket_options.c socket_streams.c modselect.c select_set.c select_room.c select_wait.c \
	tls_error.c tls_context.c tls_context_class.c tls_socket.c tls_stream.c modtls.c)
CFLAGS_USERMOD += -I$(USOCKET_MOD_DIR)

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

# What another thread schedules must run while the main thread waits in the library.
CFLAGS_USERMOD += -include $(USOCKET_MOD_DIR)/scheduled.h

# The port's SIGINT handler jumps out of whatever is running; runtime.c keeps it off the library.
ifneq ($(shell uname -s),Darwin)
CFLAGS_USERMOD += -DUSK_WRAP_INTERRUPT_CHAR=1
LDFLAGS_USERMOD += -Wl,--wrap=mp_hal_set_interrupt_char
endif
