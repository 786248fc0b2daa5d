// Errors of the library as exceptions.
#ifndef USK_ERROR_H
#define USK_ERROR_H

#include "runtime.h"

// socket.timeout (ETIMEDOUT), socket.gaierror (the resolver's), ssl.SSLError: each an OSError.
extern const mp_obj_type_t usk_type_timeout, usk_type_gaierror, usk_type_ssl_error;
// socket.PortError: an OverflowError and a ValueError.
extern const mp_obj_type_t usk_type_port_error;
// ssl.SSLCertVerificationError: a ValueError, as with mbedTLS, and an SSLError.
extern const mp_obj_type_t usk_type_cert_error;

// The exception for a code of the library. `s` is the handle it is about, or 0; `hint`, unless NULL, is a line added to
// errors about a peer's certificate.
mp_obj_t usk_error(int64_t code, usocket_t s, const char *hint);
MP_NORETURN void usk_raise(int64_t code, usocket_t s);
// The number for a stream's *errcode: errno, or the library's own code if there is no errno.
int usk_errno(int64_t code);
// Whether a code is in the library's TLS range.
bool usk_is_tls(int64_t code);

static inline int64_t usk_check(int64_t result, usocket_t s) {
    if (result < 0) {
        usk_raise(result, s);
    }
    return result;
}

#endif
