// The library's context of an SSLContext.
#ifndef USK_TLS_CONTEXT_H
#define USK_TLS_CONTEXT_H

#include "../error.h"

// SSLContext: the settings; the library's context is made from them on demand. (The library's cannot be changed once it
// is in use; MicroPython's can.)
typedef struct _usk_tls_context_t {
    mp_obj_base_t base;
    usocket_t context; // 0: to be made
    bool server;
    bool check_hostname;
    // A property of the library's context when it was made.
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

// The class visible to programs, which can be subclassed (context_open.c).
#define USK_TLS_CONTEXT_IS_OPEN (MICROPY_CPYTHON_COMPAT && MICROPY_PY_BUILTINS_PROPERTY)
#if USK_TLS_CONTEXT_IS_OPEN
extern mp_obj_full_type_t usk_tls_context_open;
#else
#define usk_tls_context_open usk_tls_context_type
#endif
// The native object of an instance of that class or a subclass; raises TypeError for anything else.
usk_tls_context_t *usk_tls_context_of(mp_obj_t obj);

// Discards the library's context; the next use makes a new one.
void usk_tls_context_forget(usk_tls_context_t *self);
// Makes the library's context match the settings; returns 0 or an error.
int32_t usk_tls_context_made(usk_tls_context_t *self, bool check_name);
// Wraps a socket of the library in TLS with that context, with that server name (NULL: none); returns 0 or an error.
int32_t usk_tls_context_wrap(usk_tls_context_t *self, usocket_t s, const char *name);
// Makes a TLS connection of the library without a socket in the same way; returns its handle or an error.
usocket_t usk_tls_context_create(usk_tls_context_t *self, const char *name);

// A hint for programs that did not ask for verification, when the peer's certificate is refused; NULL for none.
const char *usk_tls_context_hint(const usk_tls_context_t *self);

// Adds a loaded item; removes it again, and raises, if the library refuses it.
enum { LOADED_CERT, LOADED_TRUST, LOADED_SYSTEM };
void usk_tls_context_load(usk_tls_context_t *self, int kind, mp_obj_t a, mp_obj_t b);
// The same for a certificate with its key, and for trusted certificates: bytes, PEM text, or file names.
void usk_tls_context_load_cert(usk_tls_context_t *self, mp_obj_t cert, mp_obj_t key);
void usk_tls_context_load_trust(usk_tls_context_t *self, mp_obj_t certs);

#endif
