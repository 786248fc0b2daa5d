// The errors of TLS as MicroPython programs know them from mbedTLS: a certificate that fails is a
// ValueError with mbedTLS's sentence, everything else an OSError with mbedTLS's number and name.

#include <string.h>

#include "usk.h"

typedef struct _named_t {
    int64_t code;
    const char *text;
    int number; // 0: a ValueError, as ssl.SSLContext raises it
} named_t;

static const named_t causes[] = {
#define CAUSE(code, category, words, number) { code, words, number },
#include "causes.h"
#undef CAUSE
};

bool usk_is_tls(int64_t code) {
    return code <= -10000 && code > -20000;
}

static mp_obj_t os_error(int number, const char *name) {
    mp_obj_t args[2] = { MP_OBJ_NEW_SMALL_INT(number), mp_obj_new_str(name, strlen(name)) };
    return mp_obj_new_exception_args(&mp_type_OSError, 2, args);
}

mp_obj_t usk_tls_error(int64_t code, usocket_t s) {
    for (size_t i = 0; i < MP_ARRAY_SIZE(causes); ++i) {
        if (causes[i].code != code) {
            continue;
        }
        if (causes[i].number == 0) {
            return mp_obj_new_exception_arg1(&mp_type_ValueError, mp_obj_new_str(causes[i].text, strlen(causes[i].text)));
        }
        return os_error(causes[i].number, causes[i].text);
    }
    if (code <= USOCKET_ETLS_ALERT && code > USOCKET_ETLS_ALERT - 256) {
        return os_error(-0x7780, "MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE");
    }
    // What mbedTLS has no word for: ours.
    char detail[192];
    int32_t len;
    USK_CALL(len, usocket_error_detail(s, detail, sizeof(detail)));
    return os_error((int)code, len > 0 ? detail : usocket_strerror(code));
}
