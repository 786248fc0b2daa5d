// The life of a socket object (object.h).

#include <errno.h>

#include "py/objtype.h"

#include "object.h"

usk_socket_t *usk_socket_new(void) {
    usk_socket_t *self = mp_obj_malloc_with_finaliser(usk_socket_t, &usk_socket_type);
    self->s = 0;
    self->late = self->failed = 0;
    self->hint = NULL;
    return self;
}

MP_NORETURN void usk_socket_raise(usk_socket_t *self, int64_t code) {
    if (code == -EBADF && self->failed != 0) {
        code = self->failed;
    }
    mp_obj_t error = usk_error(code, self->s, self->hint);
    if (usk_is_tls(code) && self->base.type != &usk_socket_type && self->s != 0) {
        usk_socket_close(self);
        self->failed = code;
    }
    nlr_raise(error);
}

usk_socket_t *usk_socket_of(mp_obj_t obj) {
    const mp_obj_type_t *type = mp_obj_get_type(obj);
    if (type == &usk_socket_type) {
        return MP_OBJ_TO_PTR(obj);
    }
    // The class of sockets wrapped in TLS has the class socket as its parent.
    if (!mp_obj_is_instance_type(type) && MP_OBJ_TYPE_GET_SLOT_OR_NULL(type, parent) == &usk_socket_type) {
        return MP_OBJ_TO_PTR(obj);
    }
    mp_obj_t native = mp_obj_cast_to_native_base(obj, MP_OBJ_FROM_PTR(&usk_socket_type));
    bool made = native != MP_OBJ_NULL && mp_obj_is_type(native, &usk_socket_type);
    return made ? MP_OBJ_TO_PTR(native) : NULL;
}

usk_socket_t *usk_self(mp_obj_t self_in) {
    usk_socket_t *self = usk_socket_of(self_in);
    if (self == NULL) {
        mp_raise_TypeError(MP_ERROR_TEXT("socket expected"));
    }
    return self;
}

bool usk_handle_of(mp_obj_t obj, usocket_t *s) {
    usk_socket_t *self = usk_socket_of(obj);
    if (self == NULL) {
        return false;
    }
    *s = self->s;
    return true;
}

void usk_socket_close(usk_socket_t *self) {
    usocket_t s = self->s;
    self->s = 0;
    self->failed = 0;
    if (s != 0) {
        int32_t r;
        USK_WAIT(r, usocket_close(s)); // may linger
        (void)r; // as usk_close has it
    }
}
