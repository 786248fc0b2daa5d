// The class socket: its methods, its life, and the stream protocol.

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "py/mphal.h"
#include "socket_methods.h"
#include "usk.h"

usk_socket_t *usk_socket_new(void) {
    usk_socket_t *self = mp_obj_malloc_with_finaliser(usk_socket_t, &usk_socket_type);
    self->s = 0;
    self->late = self->failed = 0;
    return self;
}

MP_NORETURN void usk_socket_raise(usk_socket_t *self, int64_t code) {
    if (code == -EBADF && self->failed != 0) {
        code = self->failed;
    }
    mp_obj_t error = usk_error(code, self->s);
    if (usk_is_tls(code) && self->base.type == &usk_tls_socket_type && self->s != 0) {
        usk_socket_close(self);
        self->failed = code;
    }
    nlr_raise(error);
}

usk_socket_t *usk_socket_of(mp_obj_t obj) {
    const mp_obj_type_t *type = mp_obj_get_type(obj);
    if (type == &usk_socket_type || type == &usk_tls_socket_type) {
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

// socket(af=AF_INET, type=SOCK_STREAM, proto=0); af is also called family.
static mp_obj_t socket_make_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw, const mp_obj_t *all_args) {
    (void)type;
    enum { AF, TYPE, PROTO, FAMILY };
    static const mp_arg_t allowed[] = {
        { MP_QSTR_af, MP_ARG_INT, { .u_int = AF_INET } },
        { MP_QSTR_type, MP_ARG_INT, { .u_int = SOCK_STREAM } },
        { MP_QSTR_proto, MP_ARG_INT, { .u_int = 0 } },
        { MP_QSTR_family, MP_ARG_KW_ONLY | MP_ARG_INT, { .u_int = -1 } },
    };
    mp_arg_val_t args[MP_ARRAY_SIZE(allowed)];
    mp_arg_parse_all_kw_array(n_args, n_kw, all_args, MP_ARRAY_SIZE(allowed), allowed, args);
    usk_init();
    int family = (int)(args[FAMILY].u_int != -1 ? args[FAMILY].u_int : args[AF].u_int);
    usk_socket_t *self = usk_socket_new();
    usocket_t s;
    USK_OPEN(USK_CALL, s, usocket_socket(family, (int)args[TYPE].u_int, (int)args[PROTO].u_int));
    self->s = usk_check(s, 0);
    return MP_OBJ_FROM_PTR(self);
}

static void socket_print(const mp_print_t *print, mp_obj_t self_in, mp_print_kind_t kind) {
    (void)kind;
    usk_socket_t *self = usk_self(self_in);
    int32_t fd, family, type, proto;
    USK_CALL(fd, usocket_fileno(self->s));
    if (fd < 0) {
        mp_printf(print, "<socket closed>");
        return;
    }
    USK_CALL(family, usocket_family(self->s));
    USK_CALL(type, usocket_type(self->s));
    USK_CALL(proto, usocket_proto(self->s));
    mp_printf(print, "<socket fd=%d, family=%d, type=%d, proto=%d>", (int)fd, (int)family, (int)type, (int)proto);
}

static __attribute__((noinline)) mp_obj_t own_attr(usk_socket_t *self, qstr attr) {
    int32_t r;
    if (attr == MP_QSTR_family) {
        USK_CALL(r, usocket_family(self->s));
    } else if (attr == MP_QSTR_type) {
        USK_CALL(r, usocket_type(self->s));
    } else {
        USK_CALL(r, usocket_proto(self->s));
    }
    return MP_OBJ_NEW_SMALL_INT(checked(self, r));
}

// The read-only attributes family, type and proto; everything else is in the locals dict.
void usk_socket_attr(mp_obj_t self_in, qstr attr, mp_obj_t *dest) {
    // This comes before every look for a method.
    if (dest[0] == MP_OBJ_NULL && attr != MP_QSTR_family && attr != MP_QSTR_type && attr != MP_QSTR_proto) {
        dest[1] = MP_OBJ_SENTINEL;
    } else if (dest[0] == MP_OBJ_NULL) {
        dest[0] = own_attr(usk_self(self_in), attr);
    } // else: no attribute can be stored
}

// ---- the stream protocol ----

static mp_uint_t stream_result(usk_socket_t *self, int64_t r, int *errcode) {
    if (usk_is_tls(r) || self->failed != 0) {
        // With its text: up to 1.27 nobody asks for that later.
        usk_socket_raise(self, r);
    }
    if (r < 0) {
        *errcode = usk_errno(r);
        return MP_STREAM_ERROR;
    }
    return (mp_uint_t)r;
}

static mp_uint_t socket_stream_read(mp_obj_t self_in, void *buf, mp_uint_t size, int *errcode) {
    usk_socket_t *self = usk_self(self_in);
    int64_t r = self->late;
    self->late = 0;
    if (r == 0) {
        USK_WAIT(r, usocket_recv(self->s, buf, size, 0));
    }
    return stream_result(self, usk_ended(r), errcode);
}

static mp_uint_t socket_stream_write(mp_obj_t self_in, const void *buf, mp_uint_t size, int *errcode) {
    usk_socket_t *self = usk_self(self_in);
    int64_t r;
    USK_WAIT(r, usocket_send(self->s, buf, size, 0));
    return stream_result(self, r, errcode);
}

_Static_assert(MP_STREAM_POLL_RD == POLLIN && MP_STREAM_POLL_WR == POLLOUT, "the same bits");
_Static_assert(MP_STREAM_POLL_ERR == POLLERR && MP_STREAM_POLL_HUP == POLLHUP, "the same bits");
_Static_assert(MP_STREAM_POLL_NVAL == POLLNVAL, "the same bits");

static mp_uint_t socket_poll_now(usk_socket_t *self, uintptr_t events, int *errcode) {
    usocket_pollfd one = { .socket = self->s, .fd = -1, .events = (int16_t)events };
    int32_t r;
    if (self->s == 0) {
        return MP_STREAM_POLL_NVAL;
    }
    USK_CALL(r, usocket_poll(&one, 1, 0));
    return r < 0 ? stream_result(self, r, errcode) : (mp_uint_t)(uint16_t)one.revents;
}

void usk_socket_close(usk_socket_t *self) {
    usocket_t s = self->s;
    self->s = 0;
    self->failed = 0;
    if (s != 0) {
        int32_t r;
        USK_WAIT(r, usocket_close(s)); // may linger; EBADF is another thread's close
        (void)r;
    }
}

static mp_uint_t socket_stream_ioctl(mp_obj_t self_in, mp_uint_t request, uintptr_t arg, int *errcode) {
    usk_socket_t *self = usk_self(self_in);
    int32_t r;
    switch (request) {
        case MP_STREAM_CLOSE:
            usk_socket_close(self);
            return 0;
        case MP_STREAM_POLL:
            return socket_poll_now(self, arg, errcode);
        case MP_STREAM_GET_FILENO:
            USK_CALL(r, usocket_fileno(self->s));
            return stream_result(self, r, errcode);
        default:
            *errcode = MP_EINVAL;
            return MP_STREAM_ERROR;
    }
}

const mp_stream_p_t usk_socket_stream_p = {
    .read = socket_stream_read,
    .write = socket_stream_write,
    .ioctl = socket_stream_ioctl,
};

MP_DEFINE_CONST_OBJ_TYPE(
    usk_socket_type,
    MP_QSTR_socket,
    MP_TYPE_FLAG_NONE,
    make_new, socket_make_new,
    print, socket_print,
    attr, usk_socket_attr,
    protocol, &usk_socket_stream_p,
    locals_dict, &usk_socket_locals
    );
