// The class socket: making and closing its objects, and the stream protocol.

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "methods.h"

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
    return MP_OBJ_NEW_SMALL_INT(usk_socket_check(self, r));
}

// The read-only attributes family, type and proto; everything else is in the locals dict.
void usk_socket_attr(mp_obj_t self_in, qstr attr, mp_obj_t *dest) {
    // This runs before every lookup of a method.
    if (dest[0] == MP_OBJ_NULL && attr != MP_QSTR_family && attr != MP_QSTR_type && attr != MP_QSTR_proto) {
        dest[1] = MP_OBJ_SENTINEL;
    } else if (dest[0] == MP_OBJ_NULL) {
        dest[0] = own_attr(usk_self(self_in), attr);
    } // else: no attribute can be stored
}

// ---- the stream protocol ----

static mp_uint_t stream_result(usk_socket_t *self, int64_t r, int *errcode) {
    if (usk_is_tls(r) || r == -ETIMEDOUT || self->failed != 0) {
        // Raise it with its class and text: they are not available later.
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

// ---- methods ----

static mp_obj_t socket_fileno(mp_obj_t self_in) {
    int32_t fd;
    USK_CALL(fd, usocket_fileno(usk_self(self_in)->s));
    return MP_OBJ_NEW_SMALL_INT(fd < 0 ? -1 : fd);
}
static MP_DEFINE_CONST_FUN_OBJ_1(socket_fileno_obj, socket_fileno);

// detach(): returns the descriptor, which then belongs to the caller.
static mp_obj_t socket_detach(mp_obj_t self_in) {
    usk_socket_t *self = usk_self(self_in);
    int32_t fd;
    if (self->s == 0) {
        return MP_OBJ_NEW_SMALL_INT(-1);
    }
    USK_CALL(fd, usocket_detach(self->s));
    usk_socket_check(self, fd);
    self->s = 0;
    return MP_OBJ_NEW_SMALL_INT(fd);
}
static MP_DEFINE_CONST_FUN_OBJ_1(socket_detach_obj, socket_detach);

static mp_obj_t socket_close(mp_obj_t self_in) {
    usk_socket_close(usk_self(self_in));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(socket_close_obj, socket_close);

// __del__, called by the collector: it must neither wait nor release the GIL.
static mp_obj_t socket_del(mp_obj_t self_in) {
    usk_socket_t *self = usk_self(self_in);
    if (self->s != 0) {
        usk_close(self->s);
        self->s = 0;
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(socket_del_obj, socket_del);

static mp_obj_t socket_exit(size_t n_args, const mp_obj_t *args) {
    (void)n_args;
    return socket_close(args[0]);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(socket_exit_obj, 4, 4, socket_exit);

static const mp_rom_map_elem_t locals_table[] = {
    { MP_ROM_QSTR(MP_QSTR_recv), USK_METHOD(usk_socket_recv_obj) },
    { MP_ROM_QSTR(MP_QSTR_send), USK_METHOD(usk_socket_send_obj) },
    { MP_ROM_QSTR(MP_QSTR_read), USK_METHOD(usk_socket_read_obj) },
    { MP_ROM_QSTR(MP_QSTR_write), USK_METHOD(usk_socket_write_obj) },
    { MP_ROM_QSTR(MP_QSTR_readline), USK_METHOD(usk_socket_readline_obj) },
    { MP_ROM_QSTR(MP_QSTR_readinto), USK_METHOD(usk_socket_readinto_obj) },
    { MP_ROM_QSTR(MP_QSTR_readall), USK_METHOD(usk_socket_readall_obj) },
    { MP_ROM_QSTR(MP_QSTR_sendall), USK_METHOD(usk_socket_sendall_obj) },
    { MP_ROM_QSTR(MP_QSTR_sendto), USK_METHOD(usk_socket_sendto_obj) },
    { MP_ROM_QSTR(MP_QSTR_recvfrom), USK_METHOD(usk_socket_recvfrom_obj) },
    { MP_ROM_QSTR(MP_QSTR_recv_into), USK_METHOD(usk_socket_recv_into_obj) },
    { MP_ROM_QSTR(MP_QSTR_recvfrom_into), USK_METHOD(usk_socket_recvfrom_into_obj) },
    { MP_ROM_QSTR(MP_QSTR_connect), USK_METHOD(usk_socket_connect_obj) },
    { MP_ROM_QSTR(MP_QSTR_connect_ex), USK_METHOD(usk_socket_connect_ex_obj) },
    { MP_ROM_QSTR(MP_QSTR_bind), USK_METHOD(usk_socket_bind_obj) },
    { MP_ROM_QSTR(MP_QSTR_listen), USK_METHOD(usk_socket_listen_obj) },
    { MP_ROM_QSTR(MP_QSTR_accept), USK_METHOD(usk_socket_accept_obj) },
    { MP_ROM_QSTR(MP_QSTR_shutdown), USK_METHOD(usk_socket_shutdown_obj) },
    { MP_ROM_QSTR(MP_QSTR_getsockname), USK_METHOD(usk_socket_getsockname_obj) },
    { MP_ROM_QSTR(MP_QSTR_getpeername), USK_METHOD(usk_socket_getpeername_obj) },
    { MP_ROM_QSTR(MP_QSTR_setsockopt), USK_METHOD(usk_socket_setsockopt_obj) },
    { MP_ROM_QSTR(MP_QSTR_getsockopt), USK_METHOD(usk_socket_getsockopt_obj) },
    { MP_ROM_QSTR(MP_QSTR_settimeout), USK_METHOD(usk_socket_settimeout_obj) },
    { MP_ROM_QSTR(MP_QSTR_gettimeout), USK_METHOD(usk_socket_gettimeout_obj) },
    { MP_ROM_QSTR(MP_QSTR_setblocking), USK_METHOD(usk_socket_setblocking_obj) },
    { MP_ROM_QSTR(MP_QSTR_fileno), USK_METHOD(socket_fileno_obj) },
    { MP_ROM_QSTR(MP_QSTR_detach), USK_METHOD(socket_detach_obj) },
    { MP_ROM_QSTR(MP_QSTR_makefile), USK_METHOD(usk_socket_makefile_obj) },
    { MP_ROM_QSTR(MP_QSTR_close), USK_METHOD(socket_close_obj) },
    { MP_ROM_QSTR(MP_QSTR___del__), USK_METHOD(socket_del_obj) },
    { MP_ROM_QSTR(MP_QSTR___enter__), USK_METHOD(mp_identity_obj) },
    { MP_ROM_QSTR(MP_QSTR___exit__), USK_METHOD(socket_exit_obj) },
};
MP_DEFINE_CONST_DICT(usk_socket_locals, locals_table);

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
