// The methods of the class socket about its options and its mode.

#include <sys/socket.h>

#include "methods.h"

// ---- options ----

// setsockopt(level, optname, value): an integer or a buffer
static mp_obj_t socket_setsockopt(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    static const qstr names[] = { MP_QSTR_level, MP_QSTR_optname, MP_QSTR_value };
    mp_obj_t args[3];
    usk_socket_t *self = usk_method(n_args, pos_args, kw_args, 3, 3, names, args);
    int level = usk_int_get(args[0]);
    int name = usk_int_get(args[1]);
    int32_t r;
    if (mp_obj_is_int(args[2]) || mp_obj_is_bool(args[2])) {
        int value = usk_int_get(args[2]);
        USK_CALL(r, usocket_setsockopt_int(self->s, level, name, value));
    } else {
        mp_buffer_info_t buf;
        mp_get_buffer_raise(args[2], &buf, MP_BUFFER_READ);
        USK_CALL(r, usocket_setsockopt(self->s, level, name, buf.buf, buf.len));
    }
    return usk_socket_none(self, r);
}
MP_DEFINE_CONST_FUN_OBJ_KW(usk_socket_setsockopt_obj, 1, socket_setsockopt);

// getsockopt(level, optname, buflen=0): an integer, or bytes of at most buflen
static mp_obj_t socket_getsockopt(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    static const qstr names[] = { MP_QSTR_level, MP_QSTR_optname, MP_QSTR_buflen };
    mp_obj_t args[3];
    usk_socket_t *self = usk_method(n_args, pos_args, kw_args, 2, 3, names, args);
    int level = usk_int_get(args[0]);
    int name = usk_int_get(args[1]);
    mp_int_t buflen = args[2] == MP_OBJ_NULL ? 0 : mp_obj_get_int(args[2]);
    if (buflen < 0) {
        mp_raise_ValueError(MP_ERROR_TEXT("negative buflen"));
    }
    if (buflen == 0) {
        int32_t value, r;
        USK_CALL(r, usocket_getsockopt_int(self->s, level, name, &value));
        usk_socket_check(self, r);
        return mp_obj_new_int(value);
    }
    vstr_t value;
    vstr_init_len(&value, (size_t)buflen);
    int64_t r;
    USK_CALL(r, usocket_getsockopt(self->s, level, name, value.buf, value.len));
    value.len = MIN(value.len, (size_t)usk_socket_check(self, r));
    return mp_obj_new_bytes_from_vstr(&value);
}
MP_DEFINE_CONST_FUN_OBJ_KW(usk_socket_getsockopt_obj, 1, socket_getsockopt);

// ---- modes ----

// settimeout(value): seconds, or None
static mp_obj_t socket_settimeout(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    static const qstr names[] = { MP_QSTR_value };
    mp_obj_t args[1];
    usk_socket_t *self = usk_method(n_args, pos_args, kw_args, 1, 1, names, args);
    int64_t us = usk_timeout_get(args[0]);
    int32_t r;
    USK_CALL(r, usocket_settimeout(self->s, us));
    return usk_socket_none(self, r);
}
MP_DEFINE_CONST_FUN_OBJ_KW(usk_socket_settimeout_obj, 1, socket_settimeout);

static mp_obj_t socket_gettimeout(mp_obj_t self_in) {
    usk_socket_t *self = usk_self(self_in);
    int64_t us;
    int32_t r;
    USK_CALL(r, usocket_gettimeout(self->s, &us));
    usk_socket_check(self, r);
    if (us < 0) {
        return mp_const_none;
    }
    #if MICROPY_PY_BUILTINS_FLOAT
    return mp_obj_new_float((mp_float_t)us / MICROPY_FLOAT_CONST(1000000.));
    #else
    return mp_obj_new_int((mp_int_t)MIN(us / 1000000, INT32_MAX));
    #endif
}
MP_DEFINE_CONST_FUN_OBJ_1(usk_socket_gettimeout_obj, socket_gettimeout);

// setblocking(flag)
static mp_obj_t socket_setblocking(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    static const qstr names[] = { MP_QSTR_flag };
    mp_obj_t args[1];
    usk_socket_t *self = usk_method(n_args, pos_args, kw_args, 1, 1, names, args);
    int blocking = mp_obj_is_true(args[0]);
    int32_t r;
    USK_CALL(r, usocket_setblocking(self->s, blocking));
    return usk_socket_none(self, r);
}
MP_DEFINE_CONST_FUN_OBJ_KW(usk_socket_setblocking_obj, 1, socket_setblocking);
