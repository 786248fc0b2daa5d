// The arguments of functions (arguments.h).

#include <math.h>

#include "arguments.h"

static mp_obj_t method_call(mp_obj_t self_in, size_t n_args, size_t n_kw, const mp_obj_t *args) {
    const usk_method_t *self = MP_OBJ_TO_PTR(self_in);
    return mp_call_function_n_kw(*(const mp_obj_t *)&self->fun, n_args, n_kw, args);
}

MP_DEFINE_CONST_OBJ_TYPE(
    usk_type_method,
    MP_QSTR_function,
    MP_TYPE_FLAG_BINDS_SELF,
    call, method_call
    );

static void by_name(mp_map_t *kw_args, size_t n, const qstr *names, mp_obj_t *args) {
    size_t found = 0;
    for (size_t i = 0; i < n; ++i) {
        mp_map_elem_t *elem = mp_map_lookup(kw_args, MP_OBJ_NEW_QSTR(names[i]), MP_MAP_LOOKUP);
        if (elem == NULL) {
            continue;
        }
        if (args[i] != MP_OBJ_NULL) {
            mp_raise_msg_varg(&mp_type_TypeError, MP_ERROR_TEXT("'%q' given twice"), names[i]);
        }
        args[i] = elem->value;
        found += 1;
    }
    if (found < kw_args->used) {
        mp_raise_TypeError(MP_ERROR_TEXT("extra keyword arguments given"));
    }
}

void usk_args(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args, size_t required, size_t n, const qstr *names,
    mp_obj_t *args) {
    if (n_args > n) {
        mp_raise_TypeError(MP_ERROR_TEXT("extra positional arguments given"));
    }
    for (size_t i = 0; i < n; ++i) {
        args[i] = i < n_args ? pos_args[i] : MP_OBJ_NULL;
    }
    if (kw_args->used > 0) {
        by_name(kw_args, n, names, args);
    }
    for (size_t i = n_args; i < required; ++i) {
        if (args[i] == MP_OBJ_NULL) {
            mp_raise_msg_varg(&mp_type_TypeError, MP_ERROR_TEXT("'%q' argument required"), names[i]);
        }
    }
}

int usk_int_get(mp_obj_t obj) {
    mp_int_t value = mp_obj_get_int(obj);
    if ((int)value != value) {
        mp_raise_msg(&mp_type_OverflowError, MP_ERROR_TEXT("overflow converting long int to machine word"));
    }
    return (int)value;
}

int64_t usk_timeout_get(mp_obj_t value) {
    if (value == mp_const_none || value == MP_OBJ_NULL) {
        return -1;
    }
    #if MICROPY_PY_BUILTINS_FLOAT
    mp_float_t seconds = mp_obj_get_float(value);
    if (!(seconds >= 0)) { // NaN is neither
        mp_raise_ValueError(MP_ERROR_TEXT("timeout must not be negative"));
    }
    // Rounded up, so that a time above 0 does not become 0.
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
