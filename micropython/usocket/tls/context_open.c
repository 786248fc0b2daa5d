// The class SSLContext visible to programs. MicroPython stores attributes set on an instance of a Python subclass of a
// native class in the instance, and the native object does not see them: a server told to require certificates would
// then accept anybody. So this class is built like a Python class, derived from the native one, and the settings are
// properties, which subclasses inherit.

#include "py/objtype.h"

#include "context.h"

usk_tls_context_t *usk_tls_context_of(mp_obj_t obj) {
    mp_obj_t native = mp_obj_cast_to_native_base(obj, MP_OBJ_FROM_PTR(&usk_tls_context_type));
    if (native == MP_OBJ_NULL || !mp_obj_is_type(native, &usk_tls_context_type)) { // or its __init__ has not run yet
        mp_raise_TypeError(MP_ERROR_TEXT("SSLContext expected"));
    }
    return MP_OBJ_TO_PTR(native);
}

#if USK_TLS_CONTEXT_IS_OPEN

// As objproperty.c has it.
typedef struct _property_t {
    mp_obj_base_t base;
    mp_obj_t proxy[3]; // getter, setter, deleter
} property_t;

#define SETTING(name) \
    static mp_obj_t get_##name(mp_obj_t self_in) { \
        return mp_load_attr(MP_OBJ_FROM_PTR(usk_tls_context_of(self_in)), MP_QSTR_##name); \
    } \
    static MP_DEFINE_CONST_FUN_OBJ_1(get_##name##_obj, get_##name); \
    static mp_obj_t set_##name(mp_obj_t self_in, mp_obj_t value) { \
        mp_store_attr(MP_OBJ_FROM_PTR(usk_tls_context_of(self_in)), MP_QSTR_##name, value); \
        return mp_const_none; \
    } \
    static MP_DEFINE_CONST_FUN_OBJ_2(set_##name##_obj, set_##name); \
    static const struct { mp_obj_base_t base; mp_rom_obj_t proxy[3]; } name##_obj = { { &mp_type_property }, \
        { MP_ROM_PTR(&get_##name##_obj), MP_ROM_PTR(&set_##name##_obj), MP_ROM_NONE } }; \
    _Static_assert(sizeof(name##_obj) == sizeof(property_t), "a property");

SETTING(verify_mode)
SETTING(verify_callback)
SETTING(check_hostname)
SETTING(minimum_version)
SETTING(maximum_version)

static const mp_rom_map_elem_t settings_table[] = {
    { MP_ROM_QSTR(MP_QSTR_verify_mode), MP_ROM_PTR(&verify_mode_obj) },
    { MP_ROM_QSTR(MP_QSTR_verify_callback), MP_ROM_PTR(&verify_callback_obj) },
    { MP_ROM_QSTR(MP_QSTR_check_hostname), MP_ROM_PTR(&check_hostname_obj) },
    { MP_ROM_QSTR(MP_QSTR_minimum_version), MP_ROM_PTR(&minimum_version_obj) },
    { MP_ROM_QSTR(MP_QSTR_maximum_version), MP_ROM_PTR(&maximum_version_obj) },
};
static MP_DEFINE_CONST_DICT(settings, settings_table);

static mp_obj_t open_make_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw, const mp_obj_t *args) {
    const mp_obj_type_t *native = NULL;
    mp_obj_instance_t *self = mp_obj_new_instance(type, &native);
    self->subobj[0] = MP_OBJ_TYPE_GET_SLOT(native, make_new)(native, n_args, n_kw, args);
    return MP_OBJ_FROM_PTR(self);
}

// A direct instance of this class has only the attributes of the native one.
static void open_attr(mp_obj_t self_in, qstr attr, mp_obj_t *dest) {
    mp_obj_t native = MP_OBJ_FROM_PTR(usk_tls_context_of(self_in));
    if (dest[0] == MP_OBJ_NULL) {
        mp_load_method_maybe(native, attr, dest);
    } else {
        MP_OBJ_TYPE_GET_SLOT(&usk_tls_context_type, attr)(native, attr, dest);
    }
}

// (In RAM: MicroPython sets a flag in a class that is subclassed.)
mp_obj_full_type_t usk_tls_context_open = {
    .base = { &mp_type_type },
    .flags = MP_TYPE_FLAG_INSTANCE_TYPE | MP_TYPE_FLAG_HAS_SPECIAL_ACCESSORS,
    .name = MP_QSTR_SSLContext,
    .slot_index_make_new = 1,
    .slot_index_attr = 2,
    .slot_index_parent = 3,
    .slot_index_locals_dict = 4,
    .slots = { open_make_new, open_attr, &usk_tls_context_type, &settings },
};

#endif
