// The library's context behind an SSLContext.
#ifndef USK_TLS_CONTEXT_H
#define USK_TLS_CONTEXT_H

#include "../error.h"

// SSLContext: what was set, from which the library's context is made when it is needed. (The library's cannot be changed
// once it is in use; MicroPython's can.)
typedef struct _usk_tls_context_t {
    mp_obj_base_t base;
    usocket_t context; // 0: to be made
    bool server;
    bool check_hostname;
    // Of the library's context, as it was made.
    bool checks_name;
    int verify_mode;
    // Whether the program has set it.
    bool verify_set;
    int min_version, max_version;
    int32_t max_record; // 0: what TLS allows
    mp_obj_t callback;
    mp_obj_t ciphers; // "A:B", or None
    mp_obj_t alpn; // "a,b", or None
    // Certificates and trust: [(kind, bytes, bytes or None), ...]
    mp_obj_t loaded;
} usk_tls_context_t;

// The class (context_class.c), and one of it.
extern const mp_obj_type_t usk_tls_context_type;
usk_tls_context_t *usk_tls_context_new(bool server);

// The class that programs see, which other classes can be made from (context_open.c).
#define USK_TLS_CONTEXT_IS_OPEN (MICROPY_CPYTHON_COMPAT && MICROPY_PY_BUILTINS_PROPERTY)
#if USK_TLS_CONTEXT_IS_OPEN
extern mp_obj_full_type_t usk_tls_context_open;
#else
#define usk_tls_context_open usk_tls_context_type
#endif
// What is behind an instance of it, or of one made from it: TypeError for anything else.
usk_tls_context_t *usk_tls_context_of(mp_obj_t obj);

// The library's context is to be made anew when it is next needed.
void usk_tls_context_forget(usk_tls_context_t *self);
// Sees to it that the library's context is as the settings are: 0 or an error.
int32_t usk_tls_context_made(usk_tls_context_t *self, bool check_name);
// Wraps a socket of the library in TLS with that context, for a server of that name (NULL: none): 0 or an error.
int32_t usk_tls_context_wrap(usk_tls_context_t *self, usocket_t s, const char *name);
// Makes a connection of the library that is on no socket, in the same way: its handle or an error.
usocket_t usk_tls_context_create(usk_tls_context_t *self, const char *name);

// What to tell one who did not ask for verification and whose peer's certificate will not do; NULL for nothing.
const char *usk_tls_context_hint(const usk_tls_context_t *self);

// Adds to what is loaded; takes it back, and raises, when the library does not like it.
enum { LOADED_CERT, LOADED_TRUST, LOADED_SYSTEM };
void usk_tls_context_load(usk_tls_context_t *self, int kind, mp_obj_t a, mp_obj_t b);
// The same of a certificate and its key, and of certificates to be trusted: bytes, PEM as text, or names of files.
void usk_tls_context_load_cert(usk_tls_context_t *self, mp_obj_t cert, mp_obj_t key);
void usk_tls_context_load_trust(usk_tls_context_t *self, mp_obj_t certs);

#endif
