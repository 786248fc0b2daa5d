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
    self->late = 0;
    return self;
}

bool usk_handle_of(mp_obj_t obj, usocket_t *s) {
    if (!mp_obj_is_type(obj, &usk_socket_type) && !mp_obj_is_type(obj, &usk_tls_socket_type)) {
        return false;
    }
    *s = ((usk_socket_t *)MP_OBJ_TO_PTR(obj))->s;
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
    usk_socket_t *self = MP_OBJ_TO_PTR(self_in);
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
    return MP_OBJ_NEW_SMALL_INT(usk_check(r, self->s));
}

// The read-only attributes family, type and proto; everything else is in the locals dict.
void usk_socket_attr(mp_obj_t self_in, qstr attr, mp_obj_t *dest) {
    // This comes before every look for a method.
    if (dest[0] == MP_OBJ_NULL && attr != MP_QSTR_family && attr != MP_QSTR_type && attr != MP_QSTR_proto) {
        dest[1] = MP_OBJ_SENTINEL;
    } else if (dest[0] == MP_OBJ_NULL) {
        dest[0] = own_attr(MP_OBJ_TO_PTR(self_in), attr);
    } // else: no attribute can be stored
}

// ---- the stream protocol ----

static mp_uint_t stream_result(int64_t r, int *errcode) {
    if (usk_is_tls(r)) {
        // With its text: up to 1.27 nobody asks for that later.
        usk_raise(r, 0);
    }
    if (r < 0) {
        *errcode = usk_errno(r);
        return MP_STREAM_ERROR;
    }
    return (mp_uint_t)r;
}

static mp_uint_t socket_stream_read(mp_obj_t self_in, void *buf, mp_uint_t size, int *errcode) {
    usk_socket_t *self = MP_OBJ_TO_PTR(self_in);
    int64_t r = self->late;
    self->late = 0;
    if (r == 0) {
        USK_WAIT(r, usocket_recv(self->s, buf, size, 0));
    }
    return stream_result(usk_ended(r), errcode);
}

static mp_uint_t socket_stream_write(mp_obj_t self_in, const void *buf, mp_uint_t size, int *errcode) {
    usk_socket_t *self = MP_OBJ_TO_PTR(self_in);
    int64_t r;
    USK_WAIT(r, usocket_send(self->s, buf, size, 0));
    return stream_result(r, errcode);
}

_Static_assert(MP_STREAM_POLL_RD == POLLIN && MP_STREAM_POLL_WR == POLLOUT, "the same bits");
_Static_assert(MP_STREAM_POLL_ERR == POLLERR && MP_STREAM_POLL_HUP == POLLHUP, "the same bits");
_Static_assert(MP_STREAM_POLL_NVAL == POLLNVAL, "the same bits");

static mp_uint_t socket_poll_now(usocket_t s, uintptr_t events, int *errcode) {
    usocket_pollfd one = { .socket = s, .fd = -1, .events = (int16_t)events };
    int32_t r;
    if (s == 0) {
        return MP_STREAM_POLL_NVAL;
    }
    USK_CALL(r, usocket_poll(&one, 1, 0));
    return r < 0 ? stream_result(r, errcode) : (mp_uint_t)(uint16_t)one.revents;
}

void usk_socket_close(usk_socket_t *self) {
    usocket_t s = self->s;
    self->s = 0;
    if (s != 0) {
        int32_t r;
        USK_WAIT(r, usocket_close(s)); // may linger; EBADF is another thread's close
        (void)r;
    }
}

static mp_uint_t socket_stream_ioctl(mp_obj_t self_in, mp_uint_t request, uintptr_t arg, int *errcode) {
    usk_socket_t *self = MP_OBJ_TO_PTR(self_in);
    int32_t r;
    switch (request) {
        case MP_STREAM_CLOSE:
            usk_socket_close(self);
            return 0;
        case MP_STREAM_POLL:
            return socket_poll_now(self->s, arg, errcode);
        case MP_STREAM_GET_FILENO:
            USK_CALL(r, usocket_fileno(self->s));
            return stream_result(r, errcode);
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
