// Errors of the library as exceptions: errno and the resolver's numbers as OSError; those of TLS as MicroPython programs
// know them from mbedTLS, a certificate that fails as a ValueError with mbedTLS's sentence, everything else as an
// OSError with mbedTLS's number and name.

#include <errno.h>
#include <string.h>

#include "py/objexcept.h"
#include "py/objtuple.h"

#include "error.h"

// The maximum length of a sentence of the library.
#define DETAIL 512

// ---- the classes ----

#define EXCEPTION(name, qstr, base) \
    MP_DEFINE_CONST_OBJ_TYPE(name, qstr, MP_TYPE_FLAG_NONE, make_new, mp_obj_exception_make_new, \
    print, mp_obj_exception_print, attr, mp_obj_exception_attr, parent, base)

EXCEPTION(usk_type_timeout, MP_QSTR_timeout, &mp_type_OSError);
EXCEPTION(usk_type_gaierror, MP_QSTR_gaierror, &mp_type_OSError);
EXCEPTION(usk_type_ssl_error, MP_QSTR_SSLError, &mp_type_OSError);

#if MICROPY_MULTIPLE_INHERITANCE
static const mp_rom_obj_tuple_t port_error_bases = {
    { &mp_type_tuple }, 2, { MP_ROM_PTR(&mp_type_OverflowError), MP_ROM_PTR(&mp_type_ValueError) } };
static const mp_rom_obj_tuple_t cert_error_bases = {
    { &mp_type_tuple }, 2, { MP_ROM_PTR(&mp_type_ValueError), MP_ROM_PTR(&usk_type_ssl_error) } };
EXCEPTION(usk_type_port_error, MP_QSTR_PortError, &port_error_bases);
EXCEPTION(usk_type_cert_error, MP_QSTR_SSLCertVerificationError, &cert_error_bases);
#else
EXCEPTION(usk_type_port_error, MP_QSTR_PortError, &mp_type_OverflowError);
EXCEPTION(usk_type_cert_error, MP_QSTR_SSLCertVerificationError, &mp_type_ValueError);
#endif

// ---- TLS ----

typedef struct _named_t {
    int64_t code;
    int category;
    const char *text;
    int number; // 0: a ValueError, as ssl.SSLContext raises it
} named_t;

static const named_t causes[] = {
#define CAUSE(code, category, words, number) { code, category, words, number },
#include "causes.h"
#undef CAUSE
};

bool usk_is_tls(int64_t code) {
    return code <= -10000 && code > -20000;
}

static mp_obj_t numbered(const mp_obj_type_t *type, mp_int_t number, const char *text, size_t len) {
    mp_obj_t args[2] = { mp_obj_new_int(number), mp_obj_new_str(text, len) };
    return mp_obj_new_exception_args(type, 2, args);
}

static mp_obj_t ssl_error(mp_int_t number, const char *text) {
    return numbered(&usk_type_ssl_error, number, text, strlen(text));
}

static mp_obj_t cert_error(const char *text, const char *hint) {
    vstr_t all;
    vstr_init(&all, strlen(text) + 1);
    vstr_add_str(&all, text);
    if (hint != NULL) {
        vstr_add_str(&all, hint);
        vstr_add_char(&all, '\n');
    }
    return mp_obj_new_exception_arg1(&usk_type_cert_error, mp_obj_new_str_from_vstr(&all));
}

static mp_obj_t tls_error(int64_t code, usocket_t s, const char *hint) {
    for (size_t i = 0; i < MP_ARRAY_SIZE(causes); ++i) {
        if (causes[i].code != code) {
            continue;
        }
        if (causes[i].number == 0) {
            if (causes[i].category == USOCKET_CATEGORY_TLS_CERTIFICATE) {
                return cert_error(causes[i].text, hint);
            }
            mp_obj_t text = mp_obj_new_str(causes[i].text, strlen(causes[i].text)); // of what the program gave
            return mp_obj_new_exception_arg1(&mp_type_ValueError, text);
        }
        return ssl_error(causes[i].number, causes[i].text);
    }
    if (code <= USOCKET_ETLS_ALERT && code > USOCKET_ETLS_ALERT - 256) {
        return ssl_error(-0x7780, "MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE");
    }
    // The library's own sentence, where mbedTLS has none.
    char detail[DETAIL];
    int32_t len;
    USK_CALL(len, usocket_error_detail(s, detail, sizeof(detail)));
    return ssl_error(code, len > 0 ? detail : usocket_strerror(code));
}

// ---- all ----

#define IS_ERRNO(code) ((code) < 0 && (code) >= -4095)

mp_obj_t usk_error(int64_t code, usocket_t s, const char *hint) {
    if (usk_is_tls(code)) {
        return tls_error(code, s, hint);
    }
    int32_t gai;
    USK_CALL(gai, usocket_gai_code(code));
    if (gai != 0) { // the resolver's numbers are negative, errno is positive
        const char *text = usocket_strerror(code);
        return numbered(&usk_type_gaierror, gai, text, strlen(text));
    }
    // Adds the library's sentence, if there is one: about an address.
    char detail[DETAIL];
    int32_t len = 0;
    if (code == -EINVAL && s == 0) {
        USK_CALL(len, usocket_error_detail(s, detail, sizeof(detail)));
    }
    if (len > 0) {
        return numbered(&mp_type_OSError, -code, detail, (size_t)len);
    }
    if (!IS_ERRNO(code)) {
        const char *text = usocket_strerror(code);
        return numbered(&mp_type_OSError, code, text, strlen(text));
    }
    const mp_obj_type_t *type = code == -ETIMEDOUT ? &usk_type_timeout : &mp_type_OSError;
    return mp_obj_new_exception_arg1(type, MP_OBJ_NEW_SMALL_INT(-code));
}

MP_NORETURN void usk_raise(int64_t code, usocket_t s) {
    nlr_raise(usk_error(code, s, NULL));
}

int usk_errno(int64_t code) {
    return IS_ERRNO(code) ? (int)-code : (int)code;
}
