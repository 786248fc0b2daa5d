// The arguments of functions.
#ifndef USK_ARGUMENTS_H
#define USK_ARGUMENTS_H

#include "runtime.h"

// A method that can also be called on its class, with an instance of a Python subclass before the other arguments
// (socket.socket.close(self)): MicroPython's own take no such instance. `fun` checks its first argument itself.
typedef struct _usk_method_t {
    mp_obj_base_t base;
    mp_rom_obj_t fun;
} usk_method_t;
extern const mp_obj_type_t usk_type_method;
#define USK_METHOD(fun) MP_ROM_PTR(&((const usk_method_t) { { &usk_type_method }, MP_ROM_PTR(&fun) }))

// Sorts positional and named arguments into args[0..n), with MP_OBJ_NULL for omitted ones. Raises TypeError for surplus
// arguments, and for missing ones among the first `required`. (mp_arg_parse_all for functions that are called often.)
void usk_args(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args, size_t required, size_t n, const qstr *names,
    mp_obj_t *args);

// An int of C; OverflowError for one that does not fit.
int usk_int_get(mp_obj_t obj);

static inline int usk_int_or(mp_obj_t arg, int otherwise) {
    return arg == MP_OBJ_NULL ? otherwise : usk_int_get(arg);
}

// Microseconds for seconds: a number, or None (or nothing) for no timeout.
int64_t usk_timeout_get(mp_obj_t value);

#endif
