# hashlib's md5 and sha1, and cryptolib, without the port's ssl module: MicroPython takes them from mbedTLS,
# of which only these few files are then linked. From its own copy where the checkout has it (git
# submodule update --init lib/mbedtls), else from the system's (Debian: libmbedtls-dev).

GIT_SUBMODULES += lib/mbedtls
USOCKET_MBEDTLS := $(if $(wildcard $(TOP)/lib/mbedtls/library/md5.c),bundled,$(shell \
	echo '\#include <mbedtls/md5.h>' | $(CC) -E -x c - >/dev/null 2>&1 && echo system))

ifneq ($(USOCKET_MBEDTLS),)
CFLAGS_USERMOD += -DMICROPY_SSL_MBEDTLS=1
CFLAGS_USERMOD += -DMICROPY_PY_HASHLIB_MD5=1 -DMICROPY_PY_HASHLIB_SHA1=1 -DMICROPY_PY_CRYPTOLIB=1
ifeq ($(USOCKET_MBEDTLS),bundled)
CFLAGS_USERMOD += -I$(TOP)/lib/mbedtls/include -DMBEDTLS_CONFIG_FILE='"mbedtls/mbedtls_config_port.h"'
SRC_THIRDPARTY_C += $(addprefix lib/mbedtls/library/,\
	aes.c aesni.c constant_time.c md5.c platform.c platform_util.c sha1.c sha256.c)
else
LDFLAGS_USERMOD += -lmbedcrypto
endif
else
$(info No mbedTLS: hashlib without md5 and sha1, no cryptolib)
endif
