// The methods of the class socket about its names, its options and its mode.

#include <math.h>
#include <sys/socket.h>

#include "socket_methods.h"
#include "usk.h"

// ---- names and options ----

static mp_obj_t socket_getsockname(mp_obj_t self_in) {
    usk_socket_t *self = self_of(self_in);
    usocket_addr addr;
    int32_t r;
    USK_CALL(r, usocket_getsockname(self->s, &addr));
    checked(self, r);
    return usk_addr_new(&addr);
}
MP_DEFINE_CONST_FUN_OBJ_1(usk_socket_getsockname_obj, socket_getsockname);

static mp_obj_t socket_getpeername(mp_obj_t self_in) {
    usk_socket_t *self = self_of(self_in);
    usocket_addr addr;
    int32_t r;
    USK_CALL(r, usocket_getpeername(self->s, &addr));
    checked(self, r);
    return usk_addr_new(&addr);
}
MP_DEFINE_CONST_FUN_OBJ_1(usk_socket_getpeername_obj, socket_getpeername);

// setsockopt(level, optname, value): an integer or a buffer
static mp_obj_t socket_setsockopt(size_t n_args, const mp_obj_t *args) {
    (void)n_args;
    usk_socket_t *self = self_of(args[0]);
    int level = (int)mp_obj_get_int(args[1]);
    int name = (int)mp_obj_get_int(args[2]);
    int32_t r;
    if (mp_obj_is_int(args[3]) || mp_obj_is_bool(args[3])) {
        int value = (int)mp_obj_get_int_truncated(args[3]);
        USK_CALL(r, usocket_setsockopt_int(self->s, level, name, value));
    } else {
        mp_buffer_info_t buf;
        mp_get_buffer_raise(args[3], &buf, MP_BUFFER_READ);
        USK_CALL(r, usocket_setsockopt(self->s, level, name, buf.buf, buf.len));
    }
    return none_checked(self, r);
}
MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(usk_socket_setsockopt_obj, 4, 4, socket_setsockopt);

// getsockopt(level, optname[, buflen]): an integer, or bytes of at most buflen
static mp_obj_t socket_getsockopt(size_t n_args, const mp_obj_t *args) {
    usk_socket_t *self = self_of(args[0]);
    int level = (int)mp_obj_get_int(args[1]);
    int name = (int)mp_obj_get_int(args[2]);
    mp_int_t buflen = n_args > 3 ? mp_obj_get_int(args[3]) : 0;
    if (buflen < 0) {
        mp_raise_ValueError(MP_ERROR_TEXT("negative buflen"));
    }
    if (buflen == 0) {
        int32_t value, r;
        USK_CALL(r, usocket_getsockopt_int(self->s, level, name, &value));
        checked(self, r);
        return mp_obj_new_int(value);
    }
    vstr_t value;
    vstr_init_len(&value, (size_t)buflen);
    int64_t r;
    USK_CALL(r, usocket_getsockopt(self->s, level, name, value.buf, value.len));
    value.len = MIN(value.len, (size_t)checked(self, r));
    return mp_obj_new_bytes_from_vstr(&value);
}
MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(usk_socket_getsockopt_obj, 3, 4, socket_getsockopt);

// ---- modes ----

int64_t usk_timeout_get(mp_obj_t value) {
    if (value == mp_const_none) {
        return -1;
    }
    #if MICROPY_PY_BUILTINS_FLOAT
    mp_float_t seconds = mp_obj_get_float(value);
    if (!(seconds >= 0)) { // NaN is neither
        mp_raise_ValueError(MP_ERROR_TEXT("timeout must not be negative"));
    }
    // Rounded up: a time that is not 0 stays one.
    mp_float_t us = MICROPY_FLOAT_C_FUN(ceil)(seconds * MICROPY_FLOAT_CONST(1000000.));
    return us < MICROPY_FLOAT_CONST(9.0e18) ? (int64_t)us : INT64_MAX;
    #else
    mp_int_t seconds = mp_obj_get_int(value);
    if (seconds < 0) {
        mp_raise_ValueError(MP_ERROR_TEXT("timeout must not be negative"));
    }
    return (int64_t)seconds * 1000000;
    #endif
}

static mp_obj_t socket_settimeout(mp_obj_t self_in, mp_obj_t value) {
    usk_socket_t *self = self_of(self_in);
    int64_t us = usk_timeout_get(value);
    int32_t r;
    USK_CALL(r, usocket_settimeout(self->s, us));
    return none_checked(self, r);
}
MP_DEFINE_CONST_FUN_OBJ_2(usk_socket_settimeout_obj, socket_settimeout);

static mp_obj_t socket_gettimeout(mp_obj_t self_in) {
    usk_socket_t *self = self_of(self_in);
    int64_t us;
    int32_t r;
    USK_CALL(r, usocket_gettimeout(self->s, &us));
    checked(self, r);
    if (us < 0) {
        return mp_const_none;
    }
    #if MICROPY_PY_BUILTINS_FLOAT
    return mp_obj_new_float((mp_float_t)us / MICROPY_FLOAT_CONST(1000000.));
    #else
    return mp_obj_new_int_from_ll(us / 1000000);
    #endif
}
MP_DEFINE_CONST_FUN_OBJ_1(usk_socket_gettimeout_obj, socket_gettimeout);

static mp_obj_t socket_setblocking(mp_obj_t self_in, mp_obj_t flag) {
    usk_socket_t *self = self_of(self_in);
    int blocking = mp_obj_is_true(flag);
    int32_t r;
    USK_CALL(r, usocket_setblocking(self->s, blocking));
    return none_checked(self, r);
}
MP_DEFINE_CONST_FUN_OBJ_2(usk_socket_setblocking_obj, socket_setblocking);
