// The modules tls and ssl (and ussl): one content under both names. `ssl` in front of a frozen ssl.py, which would
// hide what SSLContext has here.

#include "py/objstr.h"
#include "tls.h"

// wrap_socket(sock, server_side=False, key=None, cert=None, cert_reqs=CERT_NONE, cadata=None,
//     server_hostname=None, do_handshake=True)
static mp_obj_t mod_wrap_socket(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum { SOCK, SERVER_SIDE, KEY, CERT, CERT_REQS, CADATA, NAME, HANDSHAKE };
    static const mp_arg_t allowed[] = {
        { MP_QSTR_sock, MP_ARG_REQUIRED | MP_ARG_OBJ, { .u_obj = MP_OBJ_NULL } },
        { MP_QSTR_server_side, MP_ARG_BOOL, { .u_bool = false } },
        { MP_QSTR_key, MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_cert, MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_cert_reqs, MP_ARG_INT, { .u_int = USOCKET_TLS_VERIFY_NONE_INSECURE } },
        { MP_QSTR_cadata, MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_server_hostname, MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_do_handshake, MP_ARG_BOOL, { .u_bool = true } },
    };
    mp_arg_val_t args[MP_ARRAY_SIZE(allowed)];
    mp_arg_parse_all(n_args, pos_args, kw_args, MP_ARRAY_SIZE(allowed), allowed, args);
    usk_tls_context_t *context = usk_tls_context_new(args[SERVER_SIDE].u_bool);
    mp_obj_t attr[2] = { MP_OBJ_FROM_PTR(context), MP_OBJ_NEW_SMALL_INT(args[CERT_REQS].u_int) };
    mp_store_attr(attr[0], MP_QSTR_verify_mode, attr[1]);
    if (args[CERT].u_obj != mp_const_none || args[KEY].u_obj != mp_const_none) {
        usk_tls_context_load_cert(context, args[CERT].u_obj, args[KEY].u_obj);
    }
    if (args[CADATA].u_obj != mp_const_none) {
        usk_tls_context_load_trust(context, args[CADATA].u_obj);
    }
    return usk_tls_context_wrap(context, args[SOCK].u_obj, args[NAME].u_obj, args[HANDSHAKE].u_bool);
}
static MP_DEFINE_CONST_FUN_OBJ_KW(mod_wrap_socket_obj, 0, mod_wrap_socket);

// Programs ask for it to know that CERT_OPTIONAL and verify callbacks are there.
static const MP_DEFINE_STR_OBJ(version_obj, "libusocket (rustls), with the names and numbers of Mbed TLS");

static const mp_rom_map_elem_t globals_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_ssl) },
    { MP_ROM_QSTR(MP_QSTR_SSLContext), MP_ROM_PTR(&usk_tls_context_type) },
    { MP_ROM_QSTR(MP_QSTR_wrap_socket), MP_ROM_PTR(&mod_wrap_socket_obj) },
    { MP_ROM_QSTR(MP_QSTR_MBEDTLS_VERSION), MP_ROM_PTR(&version_obj) },
    { MP_ROM_QSTR(MP_QSTR_PROTOCOL_TLS_CLIENT), MP_ROM_INT(0) },
    { MP_ROM_QSTR(MP_QSTR_PROTOCOL_TLS_SERVER), MP_ROM_INT(1) },
    { MP_ROM_QSTR(MP_QSTR_CERT_NONE), MP_ROM_INT(USOCKET_TLS_VERIFY_NONE_INSECURE) },
    { MP_ROM_QSTR(MP_QSTR_CERT_OPTIONAL), MP_ROM_INT(USOCKET_TLS_VERIFY_OPTIONAL) },
    { MP_ROM_QSTR(MP_QSTR_CERT_REQUIRED), MP_ROM_INT(USOCKET_TLS_VERIFY_REQUIRED) },
    { MP_ROM_QSTR(MP_QSTR_TLSv1_2), MP_ROM_INT(USOCKET_TLS_1_2) },
    { MP_ROM_QSTR(MP_QSTR_TLSv1_3), MP_ROM_INT(USOCKET_TLS_1_3) },
};
static MP_DEFINE_CONST_DICT(globals, globals_table);

const mp_obj_module_t usk_module_tls = {
    .base = { &mp_type_module },
    .globals = (mp_obj_dict_t *)&globals,
};

MP_REGISTER_MODULE(MP_QSTR_tls, usk_module_tls);
MP_REGISTER_MODULE(MP_QSTR_ssl, usk_module_tls);
MP_REGISTER_MODULE(MP_QSTR_ussl, usk_module_tls);
