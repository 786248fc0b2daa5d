// The negotiated parameters of a TLS connection.

#include <errno.h>
#include <string.h>

#include "names.h"
#include "wrap.h"

// getpeercert(binary_form): DER, or None.
static mp_obj_t tls_getpeercert(size_t n_args, const mp_obj_t *args) {
    usk_socket_t *self = MP_OBJ_TO_PTR(args[0]);
    if (n_args < 2 || !mp_obj_is_true(args[1])) {
        mp_raise_NotImplementedError(MP_ERROR_TEXT("getpeercert(True)"));
    }
    int32_t len;
    USK_CALL(len, usocket_tls_peer_cert(self->s, 0, NULL, 0));
    if (len == -ENODATA) {
        return mp_const_none;
    }
    usk_socket_check(self, len);
    vstr_t der;
    vstr_init_len(&der, (size_t)len);
    USK_CALL(len, usocket_tls_peer_cert(self->s, 0, der.buf, der.len));
    der.len = MIN(der.len, (size_t)usk_socket_check(self, len));
    return mp_obj_new_bytes_from_vstr(&der);
}
MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(usk_tls_getpeercert_obj, 1, 2, tls_getpeercert);

static mp_obj_t tls_version(mp_obj_t self_in) {
    usk_socket_t *self = MP_OBJ_TO_PTR(self_in);
    int32_t r;
    USK_CALL(r, usocket_tls_version(self->s));
    usk_socket_check(self, r);
    if (r == 0) {
        return mp_const_none;
    }
    const char *name = r == USOCKET_TLS_1_3 ? "TLSv1.3" : "TLSv1.2";
    return mp_obj_new_str(name, strlen(name));
}
MP_DEFINE_CONST_FUN_OBJ_1(usk_tls_version_obj, tls_version);

// cipher(): (name as mbedTLS has it, version)
static mp_obj_t tls_cipher(mp_obj_t self_in) {
    usk_socket_t *self = MP_OBJ_TO_PTR(self_in);
    char name[96];
    int32_t len;
    USK_CALL(len, usocket_tls_cipher(self->s, name, sizeof(name)));
    usk_socket_check(self, len);
    usk_tls_name_to_mbedtls(name);
    mp_obj_t items[2] = { mp_obj_new_str(name, (size_t)len), tls_version(self_in) };
    return mp_obj_new_tuple(2, items);
}
MP_DEFINE_CONST_FUN_OBJ_1(usk_tls_cipher_obj, tls_cipher);

// selected_alpn_protocol(): text, or None.
static mp_obj_t tls_alpn(mp_obj_t self_in) {
    usk_socket_t *self = MP_OBJ_TO_PTR(self_in);
    char name[256];
    int32_t len;
    USK_CALL(len, usocket_tls_alpn(self->s, name, sizeof(name)));
    usk_socket_check(self, len);
    return len == 0 ? mp_const_none : mp_obj_new_str(name, (size_t)len);
}
MP_DEFINE_CONST_FUN_OBJ_1(usk_tls_alpn_obj, tls_alpn);
