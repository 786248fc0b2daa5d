// The objects that SSLContext.wrap_socket and ssl.wrap_socket accept.

#include "wrap.h"

mp_obj_t usk_tls_wrap(usk_tls_context_t *self, mp_obj_t sock, mp_obj_t name_in, bool handshake) {
    const char *name = name_in == mp_const_none ? NULL : mp_obj_str_get_str(name_in);
    if (name != NULL && *name == 0) {
        name = NULL;
    }
    if (name == NULL && !self->server && self->check_hostname && self->verify_mode == USOCKET_TLS_VERIFY_REQUIRED) {
        mp_raise_ValueError(MP_ERROR_TEXT("CERT_REQUIRED requires server_hostname"));
    }
    usk_socket_t *inner = usk_socket_of(sock);
    if (inner != NULL && inner->base.type == &usk_socket_type) {
        return usk_tls_socket_new(self, inner, name, handshake);
    }
    return usk_tls_stream_new(self, sock, name, handshake);
}
