// The class SSLContext of the modules ssl and tls.

#include <string.h>

#include "py/objlist.h"

#include "names.h"
#include "wrap.h"

usk_tls_context_t *usk_tls_context_new(bool server) {
    usk_tls_context_t *self = mp_obj_malloc_with_finaliser(usk_tls_context_t, &usk_tls_context_type);
    self->context = 0;
    self->server = server;
    self->check_hostname = !server;
    self->checks_name = false;
    self->verify_mode = server ? USOCKET_TLS_VERIFY_NONE_INSECURE : USOCKET_TLS_VERIFY_REQUIRED;
    self->verify_set = false;
    self->min_version = self->max_version = 0;
    self->max_record = 0;
    self->callback = self->ciphers = self->alpn = mp_const_none;
    self->loaded = mp_obj_new_list(0, NULL);
    return self;
}

// SSLContext(protocol)
static mp_obj_t context_make_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw, const mp_obj_t *args) {
    (void)type;
    mp_arg_check_num(n_args, n_kw, 1, 1, false);
    mp_int_t protocol = mp_obj_get_int(args[0]);
    if (protocol != 0 && protocol != 1) {
        mp_raise_ValueError(MP_ERROR_TEXT("protocol: PROTOCOL_TLS_CLIENT or PROTOCOL_TLS_SERVER"));
    }
    return MP_OBJ_FROM_PTR(usk_tls_context_new(protocol == 1));
}

static void context_attr_load(usk_tls_context_t *self, qstr attr, mp_obj_t *dest) {
    switch (attr) {
        case MP_QSTR_verify_mode:
            dest[0] = MP_OBJ_NEW_SMALL_INT(self->verify_mode);
            break;
        case MP_QSTR_verify_callback:
            dest[0] = self->callback;
            break;
        case MP_QSTR_check_hostname:
            dest[0] = mp_obj_new_bool(self->check_hostname);
            break;
        case MP_QSTR_minimum_version:
            dest[0] = MP_OBJ_NEW_SMALL_INT(self->min_version);
            break;
        case MP_QSTR_maximum_version:
            dest[0] = MP_OBJ_NEW_SMALL_INT(self->max_version);
            break;
        default:
            dest[1] = MP_OBJ_SENTINEL; // the locals dict
            break;
    }
}

static void context_attr(mp_obj_t self_in, qstr attr, mp_obj_t *dest) {
    usk_tls_context_t *self = MP_OBJ_TO_PTR(self_in);
    if (dest[0] == MP_OBJ_NULL) {
        context_attr_load(self, attr, dest);
        return;
    }
    if (dest[1] == MP_OBJ_NULL) {
        return; // nothing can be deleted
    }
    if (attr == MP_QSTR_verify_callback) {
        self->callback = dest[1];
        usk_tls_context_forget(self);
    } else if (attr == MP_QSTR_verify_mode) {
        mp_int_t mode = mp_obj_get_int(dest[1]);
        if (mode < USOCKET_TLS_VERIFY_NONE_INSECURE || mode > USOCKET_TLS_VERIFY_REQUIRED) {
            mp_raise_ValueError(MP_ERROR_TEXT("verify_mode: CERT_NONE, CERT_OPTIONAL or CERT_REQUIRED"));
        }
        self->verify_mode = (int)mode;
        self->verify_set = true;
        usk_tls_context_forget(self);
    } else if (attr == MP_QSTR_check_hostname) {
        self->check_hostname = mp_obj_is_true(dest[1]);
    } else if (attr == MP_QSTR_minimum_version) {
        self->min_version = (int)mp_obj_get_int(dest[1]);
        usk_tls_context_forget(self);
    } else if (attr == MP_QSTR_maximum_version) {
        self->max_version = (int)mp_obj_get_int(dest[1]);
        usk_tls_context_forget(self);
    } else {
        return; // AttributeError
    }
    dest[0] = MP_OBJ_NULL;
}

// load_cert_chain(certfile, keyfile=None)
static mp_obj_t context_load_cert_chain(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    static const mp_arg_t allowed[] = {
        { MP_QSTR_certfile, MP_ARG_REQUIRED | MP_ARG_OBJ, { .u_obj = MP_OBJ_NULL } },
        { MP_QSTR_keyfile, MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
    };
    mp_arg_val_t args[MP_ARRAY_SIZE(allowed)];
    mp_arg_parse_all(n_args - 1, pos_args + 1, kw_args, MP_ARRAY_SIZE(allowed), allowed, args);
    usk_tls_context_load_cert(usk_tls_context_of(pos_args[0]), args[0].u_obj, args[1].u_obj);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_KW(context_load_cert_chain_obj, 1, context_load_cert_chain);

// load_verify_locations(cafile=None, cadata=None)
static mp_obj_t context_load_verify_locations(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    static const mp_arg_t allowed[] = {
        { MP_QSTR_cafile, MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_cadata, MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
    };
    mp_arg_val_t args[MP_ARRAY_SIZE(allowed)];
    mp_arg_parse_all(n_args - 1, pos_args + 1, kw_args, MP_ARRAY_SIZE(allowed), allowed, args);
    if (args[0].u_obj == mp_const_none && args[1].u_obj == mp_const_none) {
        mp_raise_TypeError(MP_ERROR_TEXT("cafile or cadata"));
    }
    for (size_t i = 0; i < 2; ++i) {
        if (args[i].u_obj != mp_const_none) {
            usk_tls_context_load_trust(usk_tls_context_of(pos_args[0]), args[i].u_obj);
        }
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_KW(context_load_verify_locations_obj, 1, context_load_verify_locations);

static mp_obj_t context_load_default_certs(mp_obj_t self_in) {
    usk_tls_context_load(usk_tls_context_of(self_in), LOADED_SYSTEM, mp_const_none, mp_const_none);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(context_load_default_certs_obj, context_load_default_certs);

// get_ciphers(): names, as mbedTLS has them.
static mp_obj_t context_get_ciphers(mp_obj_t self_in) {
    usk_tls_context_t *self = usk_tls_context_of(self_in);
    int32_t r = usk_tls_context_made(self, self->checks_name || self->context != 0 ? self->checks_name : self->check_hostname);
    usk_check(r, 0);
    char names[1024];
    USK_CALL(r, usocket_tls_context_ciphers(self->context, names, sizeof(names)));
    usk_check(r, self->context);
    usk_tls_name_to_mbedtls(names);
    mp_obj_t list = mp_obj_new_list(0, NULL);
    for (char *name = names; *name != 0;) {
        size_t len = strcspn(name, ":");
        mp_obj_list_append(list, mp_obj_new_str(name, len));
        name += len + (name[len] == ':');
    }
    return list;
}
static MP_DEFINE_CONST_FUN_OBJ_1(context_get_ciphers_obj, context_get_ciphers);

// Joins a list or tuple of names.
static mp_obj_t joined(mp_obj_t list, char separator, bool iana) {
    size_t n;
    mp_obj_t *items;
    mp_obj_get_array(list, &n, &items); // TypeError for text
    vstr_t all;
    vstr_init(&all, 64);
    for (size_t i = 0; i < n; ++i) {
        if (i > 0) {
            vstr_add_char(&all, separator);
        }
        size_t begin = all.len;
        vstr_add_str(&all, mp_obj_str_get_str(items[i]));
        if (iana) {
            usk_tls_name_to_iana(vstr_null_terminated_str(&all) + begin);
        }
    }
    return mp_obj_new_str_from_vstr(&all);
}

// set_ciphers([name, ...]): mbedTLS's names, IANA's or OpenSSL's.
static mp_obj_t context_set_ciphers(mp_obj_t self_in, mp_obj_t names) {
    usk_tls_context_t *self = usk_tls_context_of(self_in);
    mp_obj_t before = self->ciphers;
    self->ciphers = joined(names, ':', true);
    usk_tls_context_forget(self);
    int32_t r = usk_tls_context_made(self, self->check_hostname);
    if (r < 0) {
        self->ciphers = before;
        usk_raise(r, 0);
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_2(context_set_ciphers_obj, context_set_ciphers);

// set_alpn_protocols([name, ...])
static mp_obj_t context_set_alpn(mp_obj_t self_in, mp_obj_t names) {
    usk_tls_context_t *self = usk_tls_context_of(self_in);
    self->alpn = joined(names, ',', false);
    usk_tls_context_forget(self);
    usk_check(usk_tls_context_made(self, self->check_hostname), 0);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_2(context_set_alpn_obj, context_set_alpn);

// set_max_record(bytes=0): the maximum data in a sent record, for peers with small buffers; 0 for TLS's limit.
static mp_obj_t context_set_max_record(size_t n_args, const mp_obj_t *args) {
    usk_tls_context_t *self = usk_tls_context_of(args[0]);
    mp_int_t bytes = n_args > 1 ? mp_obj_get_int(args[1]) : 0;
    if (bytes != 0 && (bytes < 64 || bytes > 16384)) {
        mp_raise_ValueError(MP_ERROR_TEXT("set_max_record: 64 to 16384 bytes, or 0"));
    }
    self->max_record = (int32_t)bytes;
    usk_tls_context_forget(self);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(context_set_max_record_obj, 1, 2, context_set_max_record);

// wrap_socket(sock, *, server_side=False, do_handshake_on_connect=True, server_hostname=None)
static mp_obj_t context_wrap_socket(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum { SERVER_SIDE, HANDSHAKE, NAME };
    static const mp_arg_t allowed[] = {
        { MP_QSTR_server_side, MP_ARG_KW_ONLY | MP_ARG_BOOL, { .u_bool = false } },
        { MP_QSTR_do_handshake_on_connect, MP_ARG_KW_ONLY | MP_ARG_BOOL, { .u_bool = true } },
        { MP_QSTR_server_hostname, MP_ARG_KW_ONLY | MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
    };
    mp_arg_val_t args[MP_ARRAY_SIZE(allowed)];
    mp_arg_parse_all(n_args - 2, pos_args + 2, kw_args, MP_ARRAY_SIZE(allowed), allowed, args);
    return usk_tls_wrap(usk_tls_context_of(pos_args[0]), pos_args[1], args[NAME].u_obj, args[HANDSHAKE].u_bool);
}
static MP_DEFINE_CONST_FUN_OBJ_KW(context_wrap_socket_obj, 2, context_wrap_socket);

static mp_obj_t context_del(mp_obj_t self_in) {
    usk_tls_context_forget(usk_tls_context_of(self_in));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(context_del_obj, context_del);

static const mp_rom_map_elem_t context_locals_table[] = {
    { MP_ROM_QSTR(MP_QSTR___del__), USK_METHOD(context_del_obj) },
    { MP_ROM_QSTR(MP_QSTR_wrap_socket), USK_METHOD(context_wrap_socket_obj) },
    { MP_ROM_QSTR(MP_QSTR_load_cert_chain), USK_METHOD(context_load_cert_chain_obj) },
    { MP_ROM_QSTR(MP_QSTR_load_verify_locations), USK_METHOD(context_load_verify_locations_obj) },
    { MP_ROM_QSTR(MP_QSTR_load_default_certs), USK_METHOD(context_load_default_certs_obj) },
    { MP_ROM_QSTR(MP_QSTR_get_ciphers), USK_METHOD(context_get_ciphers_obj) },
    { MP_ROM_QSTR(MP_QSTR_set_ciphers), USK_METHOD(context_set_ciphers_obj) },
    { MP_ROM_QSTR(MP_QSTR_set_alpn_protocols), USK_METHOD(context_set_alpn_obj) },
    { MP_ROM_QSTR(MP_QSTR_set_max_record), USK_METHOD(context_set_max_record_obj) },
};
static MP_DEFINE_CONST_DICT(context_locals, context_locals_table);

MP_DEFINE_CONST_OBJ_TYPE(
    usk_tls_context_type,
    MP_QSTR_SSLContext,
    MP_TYPE_FLAG_NONE,
    make_new, context_make_new,
    attr, context_attr,
    locals_dict, &context_locals
    );
