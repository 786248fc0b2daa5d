// Sockets and other streams wrapped in TLS.
#ifndef USK_TLS_WRAP_H
#define USK_TLS_WRAP_H

#include "../socket/methods.h"
#include "context.h"

// A socket wrapped in TLS: the whole socket API, and the negotiated parameters (socket.c). With that server name (NULL:
// none).
mp_obj_t usk_tls_socket_new(usk_tls_context_t *context, usk_socket_t *inner, const char *name, bool handshake);
// Any other stream (stream.c).
mp_obj_t usk_tls_stream_new(usk_tls_context_t *context, mp_obj_t stream, const char *name, bool handshake);
// Either, as SSLContext.wrap_socket does (wrap.c).
mp_obj_t usk_tls_wrap(usk_tls_context_t *context, mp_obj_t sock, mp_obj_t name, bool handshake);

// The methods that both have (agreed.c).
MP_DECLARE_CONST_FUN_OBJ_VAR_BETWEEN(usk_tls_getpeercert_obj);
MP_DECLARE_CONST_FUN_OBJ_1(usk_tls_cipher_obj);
MP_DECLARE_CONST_FUN_OBJ_1(usk_tls_version_obj);
MP_DECLARE_CONST_FUN_OBJ_1(usk_tls_alpn_obj);

#endif
