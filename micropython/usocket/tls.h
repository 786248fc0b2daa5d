// What the files of the modules ssl and tls share.
#ifndef USK_TLS_H
#define USK_TLS_H

#include "usk.h"

// SSLContext (tls_context_class.c): what was set, from which the library's context is made when it is needed. (The
// library's cannot be changed once it is in use; MicroPython's can.)
typedef struct _usk_tls_context_t {
    mp_obj_base_t base;
    usocket_t context; // 0: to be made
    bool server;
    bool check_hostname;
    // Of the library's context, as it was made.
    bool checks_name;
    int verify_mode;
    int min_version, max_version;
    mp_obj_t callback;
    mp_obj_t ciphers; // "A:B", or None
    mp_obj_t alpn; // "a,b", or None
    // Certificates and trust: [(kind, bytes, bytes or None), ...]
    mp_obj_t loaded;
} usk_tls_context_t;

extern const mp_obj_type_t usk_tls_context_type;

// The library's context is to be made anew when it is next needed.
void usk_tls_context_forget(usk_tls_context_t *self);
// Sees to it that the library's context is as the settings are: 0 or an error.
int32_t usk_tls_context_made(usk_tls_context_t *self, bool check_name);
// Adds to what is loaded; takes it back, and raises, when the library does not like it.
enum { LOADED_CERT, LOADED_TRUST, LOADED_SYSTEM };
void usk_tls_context_load(usk_tls_context_t *self, int kind, mp_obj_t a, mp_obj_t b);

// Wraps a socket of the library in TLS with that context, for a server of that name (NULL: none).
// An error code, so that the caller can clean up first.
int32_t usk_tls_wrap(usk_tls_context_t *self, usocket_t s, const char *name);
usk_tls_context_t *usk_tls_context_new(bool server);
void usk_tls_context_load_cert(usk_tls_context_t *self, mp_obj_t cert, mp_obj_t key);
void usk_tls_context_load_trust(usk_tls_context_t *self, mp_obj_t certs);
mp_obj_t usk_tls_context_wrap(usk_tls_context_t *self, mp_obj_t sock, mp_obj_t name, bool handshake);

// A socket wrapped in TLS (tls_socket.c): the whole socket API, and what was agreed.
mp_obj_t usk_tls_socket_new(usk_tls_context_t *context, mp_obj_t sock, const char *name, bool handshake);

// Any other stream wrapped in TLS (tls_stream.c).
extern const mp_obj_type_t usk_tls_stream_type;
mp_obj_t usk_tls_stream_new(usk_tls_context_t *context, mp_obj_t stream, const char *name, bool handshake);

// The methods that both have.
MP_DECLARE_CONST_FUN_OBJ_VAR_BETWEEN(usk_tls_getpeercert_obj);
MP_DECLARE_CONST_FUN_OBJ_1(usk_tls_cipher_obj);
MP_DECLARE_CONST_FUN_OBJ_1(usk_tls_version_obj);
MP_DECLARE_CONST_FUN_OBJ_1(usk_tls_alpn_obj);

// The names of cipher suites, IANA's (TLS_A_B) to mbedTLS's (TLS-A-B) and back, in place.
void usk_tls_name_to_mbedtls(char *name);
void usk_tls_name_to_iana(char *name);

#endif
