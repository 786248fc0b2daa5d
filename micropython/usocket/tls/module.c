// The modules tls and ssl (and ussl), with the same content. `ssl` takes precedence over a frozen ssl.py, which would
// hide features of this SSLContext.

#include "py/objstr.h"

#include "wrap.h"

// The single version requested by CPython's `ssl_version`, if it is one.
static void set_version(usk_tls_context_t *context, mp_int_t version) {
    if (version == USOCKET_TLS_1_2 || version == USOCKET_TLS_1_3) {
        context->min_version = context->max_version = (int)version;
    } else if (version != 0 && version != 1) { // PROTOCOL_TLS_CLIENT, PROTOCOL_TLS_SERVER
        mp_raise_ValueError(MP_ERROR_TEXT("ssl_version: TLSv1_2 or TLSv1_3"));
    }
}

static mp_obj_t either(mp_obj_t a, mp_obj_t b) {
    if (a != mp_const_none && b != mp_const_none) {
        mp_raise_TypeError(MP_ERROR_TEXT("the same thing given under two names"));
    }
    return a != mp_const_none ? a : b;
}

// wrap_socket(sock, server_side=False, key=None, cert=None, cert_reqs=CERT_NONE, cadata=None,
//     server_hostname=None, do_handshake=True), and the names of WiPy and CPython for the same things:
// keyfile, certfile, ca_certs, ssl_version.
static mp_obj_t mod_wrap_socket(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum { SOCK, SERVER_SIDE, KEY, CERT, CERT_REQS, CADATA, NAME, HANDSHAKE, KEYFILE, CERTFILE, CA_CERTS, VERSION };
    static const mp_arg_t allowed[] = {
        { MP_QSTR_sock, MP_ARG_REQUIRED | MP_ARG_OBJ, { .u_obj = MP_OBJ_NULL } },
        { MP_QSTR_server_side, MP_ARG_BOOL, { .u_bool = false } },
        { MP_QSTR_key, MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_cert, MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_cert_reqs, MP_ARG_INT, { .u_int = USOCKET_TLS_VERIFY_NONE_INSECURE } },
        { MP_QSTR_cadata, MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_server_hostname, MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_do_handshake, MP_ARG_BOOL, { .u_bool = true } },
        { MP_QSTR_keyfile, MP_ARG_KW_ONLY | MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_certfile, MP_ARG_KW_ONLY | MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_ca_certs, MP_ARG_KW_ONLY | MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_ssl_version, MP_ARG_KW_ONLY | MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
    };
    mp_arg_val_t args[MP_ARRAY_SIZE(allowed)];
    mp_arg_parse_all(n_args, pos_args, kw_args, MP_ARRAY_SIZE(allowed), allowed, args);
    usk_tls_context_t *context = usk_tls_context_new(args[SERVER_SIDE].u_bool);
    mp_obj_t attr[2] = { MP_OBJ_FROM_PTR(context), MP_OBJ_NEW_SMALL_INT(args[CERT_REQS].u_int) };
    mp_store_attr(attr[0], MP_QSTR_verify_mode, attr[1]);
    if (args[VERSION].u_obj != mp_const_none) {
        set_version(context, mp_obj_get_int(args[VERSION].u_obj));
    }
    mp_obj_t cert = either(args[CERT].u_obj, args[CERTFILE].u_obj), key = either(args[KEY].u_obj, args[KEYFILE].u_obj);
    if (cert != mp_const_none || key != mp_const_none) {
        usk_tls_context_load_cert(context, cert, key);
    }
    mp_obj_t trust = either(args[CADATA].u_obj, args[CA_CERTS].u_obj);
    if (trust != mp_const_none) {
        usk_tls_context_load_trust(context, trust);
    }
    return usk_tls_wrap(context, args[SOCK].u_obj, args[NAME].u_obj, args[HANDSHAKE].u_bool);
}
static MP_DEFINE_CONST_FUN_OBJ_KW(mod_wrap_socket_obj, 0, mod_wrap_socket);

// Programs check it to learn that CERT_OPTIONAL and verify callbacks are available.
static const MP_DEFINE_STR_OBJ(version_obj, "libusocket (rustls), with the names and numbers of Mbed TLS");

static const mp_rom_map_elem_t globals_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_ssl) },
    { MP_ROM_QSTR(MP_QSTR_SSLContext), MP_ROM_PTR(&usk_tls_context_open) },
    { MP_ROM_QSTR(MP_QSTR_wrap_socket), MP_ROM_PTR(&mod_wrap_socket_obj) },
    { MP_ROM_QSTR(MP_QSTR_SSLError), MP_ROM_PTR(&usk_type_ssl_error) },
    { MP_ROM_QSTR(MP_QSTR_SSLCertVerificationError), MP_ROM_PTR(&usk_type_cert_error) },
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
