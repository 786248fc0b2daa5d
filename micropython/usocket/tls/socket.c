// A socket wrapped in TLS: the same handle, the whole socket API, and the negotiated parameters.

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "wrap.h"

typedef struct _tls_socket_t {
    // First, so that the methods of a socket work on it.
    usk_socket_t socket;
    // Kept alive: the socket that was wrapped, and the context (whose callback the library calls).
    usk_socket_t *inner;
    usk_tls_context_t *context;
    // Whether to do the handshake as soon as the socket is connected.
    bool handshake;
    // Whether something was written.
    bool written;
} tls_socket_t;

static const mp_obj_type_t tls_socket_type;

static bool is_connected(usk_socket_t *self) {
    usocket_addr peer;
    int32_t r;
    USK_CALL(r, usocket_getpeername(self->s, &peer));
    return r != -ENOTCONN;
}

static void close_both(tls_socket_t *self, bool wait) {
    usk_socket_t *inner = self->inner;
    usocket_t s = self->socket.s != 0 ? self->socket.s : inner->s;
    self->socket.s = 0;
    self->socket.failed = 0;
    if (inner->s == s) {
        inner->s = 0;
    }
    if (s != 0 && wait) {
        int32_t r;
        USK_WAIT(r, usocket_close(s));
        (void)r; // as usk_close has it
    } else if (s != 0) {
        usk_close(s);
    }
}

static int32_t handshake_now(usk_socket_t *self) {
    for (;;) {
        int32_t r;
        USK_WAIT(r, usocket_tls_handshake(self->s));
        if (r != -EAGAIN) {
            return r;
        }
        // As in stock MicroPython, a non-blocking socket blocks for this.
        USK_CALL(r, usocket_tls_wants(self->s));
        usocket_pollfd one = { .socket = self->s, .fd = -1, .events = (int16_t)r };
        USK_WAIT(r, usocket_poll(&one, 1, -1));
        if (r < 0) {
            return r;
        }
    }
}

// Does the handshake. If it fails, the session is freed and the connection closed.
static void shake_hands(tls_socket_t *self) {
    nlr_buf_t nlr;
    if (nlr_push(&nlr) == 0) {
        usk_socket_check(&self->socket, handshake_now(&self->socket));
        nlr_pop();
        return;
    }
    close_both(self, true);
    nlr_jump(nlr.ret_val);
}

mp_obj_t usk_tls_socket_new(usk_tls_context_t *context, usk_socket_t *inner, const char *name, bool handshake) {
    tls_socket_t *self = mp_obj_malloc_with_finaliser(tls_socket_t, &tls_socket_type);
    self->socket.s = 0;
    self->socket.late = self->socket.failed = 0;
    self->socket.hint = usk_tls_context_hint(context);
    self->inner = inner;
    self->context = context;
    self->handshake = handshake;
    self->written = false;
    int32_t r = usk_tls_context_wrap(context, inner->s, name);
    if (r == USOCKET_ETLS_NO_CERT && !handshake) {
        // As in stock MicroPython, the first use reports it. It must not send plain text.
        self->socket.failed = r;
        return MP_OBJ_FROM_PTR(self);
    }
    usk_check(r, inner->s);
    self->socket.s = inner->s;
    if (handshake && is_connected(&self->socket)) {
        shake_hands(self);
    }
    return MP_OBJ_FROM_PTR(self);
}

// connect(address), and then the handshake, if wrap_socket was asked for it
static mp_obj_t tls_connect(mp_obj_t self_in, mp_obj_t address) {
    tls_socket_t *self = MP_OBJ_TO_PTR(self_in);
    usk_socket_check(&self->socket, usk_socket_connect(&self->socket, address));
    if (self->handshake) {
        shake_hands(self);
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_2(tls_connect_obj, tls_connect);

// write(buf) and so on. The first write starts the handshake; an error in the peer's response, even if it has arrived
// already, is reported by the next call (and poll reports the socket ready at once). asyncio has its `drain` for that.
static mp_obj_t tls_write(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    tls_socket_t *self = MP_OBJ_TO_PTR(pos_args[0]);
    int64_t timeout_us = -1;
    if (!self->written) {
        self->written = true;
        int32_t r;
        USK_CALL(r, usocket_gettimeout(self->socket.s, &timeout_us));
        timeout_us = r < 0 ? -1 : timeout_us;
    }
    nlr_buf_t nlr;
    if (timeout_us != 0) {
        return usk_socket_write(n_args, pos_args, kw_args);
    }
    if (nlr_push(&nlr) == 0) {
        mp_obj_t written = usk_socket_write(n_args, pos_args, kw_args);
        nlr_pop();
        return written;
    }
    if (self->socket.failed == 0) {
        nlr_jump(nlr.ret_val);
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_KW(tls_write_obj, 1, tls_write);

// do_handshake()
static mp_obj_t tls_do_handshake(mp_obj_t self_in) {
    usk_socket_t *self = MP_OBJ_TO_PTR(self_in);
    int32_t r;
    USK_WAIT(r, usocket_tls_handshake(self->s));
    usk_socket_check(self, r);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(tls_do_handshake_obj, tls_do_handshake);

// ---- the class ----

static mp_obj_t tls_close(mp_obj_t self_in) {
    close_both(MP_OBJ_TO_PTR(self_in), true);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(tls_close_obj, tls_close);

static mp_obj_t tls_exit(size_t n_args, const mp_obj_t *args) {
    (void)n_args;
    return tls_close(args[0]);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(tls_exit_obj, 4, 4, tls_exit);

// __del__, called by the collector. The wrapped socket may be freed already: its memory must not be read.
static mp_obj_t tls_del(mp_obj_t self_in) {
    tls_socket_t *self = MP_OBJ_TO_PTR(self_in);
    usocket_t s = self->socket.s;
    self->socket.s = 0;
    if (s != 0) {
        usk_close(s);
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(tls_del_obj, tls_del);

static mp_uint_t tls_stream_ioctl(mp_obj_t self_in, mp_uint_t request, uintptr_t arg, int *errcode) {
    switch (request) {
        case MP_STREAM_CLOSE:
            tls_close(self_in);
            return 0;
        case MP_STREAM_POLL:
            return usk_socket_stream_p.ioctl(self_in, request, arg, errcode);
        default:
            // Polling the descriptor would report ciphertext, not data.
            *errcode = MP_EINVAL;
            return MP_STREAM_ERROR;
    }
}

static mp_uint_t tls_stream_read(mp_obj_t self_in, void *buf, mp_uint_t size, int *errcode) {
    return usk_socket_stream_p.read(self_in, buf, size, errcode);
}

static mp_uint_t tls_stream_write(mp_obj_t self_in, const void *buf, mp_uint_t size, int *errcode) {
    return usk_socket_stream_p.write(self_in, buf, size, errcode);
}

static const mp_stream_p_t tls_stream_p = {
    .read = tls_stream_read,
    .write = tls_stream_write,
    .ioctl = tls_stream_ioctl,
};

static void tls_print(const mp_print_t *print, mp_obj_t self_in, mp_print_kind_t kind) {
    (void)self_in;
    (void)kind;
    mp_printf(print, "<SSLSocket>");
}

static const mp_rom_map_elem_t tls_locals_table[] = {
    { MP_ROM_QSTR(MP_QSTR_connect), MP_ROM_PTR(&tls_connect_obj) },
    { MP_ROM_QSTR(MP_QSTR_write), MP_ROM_PTR(&tls_write_obj) },
    { MP_ROM_QSTR(MP_QSTR_close), MP_ROM_PTR(&tls_close_obj) },
    { MP_ROM_QSTR(MP_QSTR___del__), MP_ROM_PTR(&tls_del_obj) },
    { MP_ROM_QSTR(MP_QSTR___exit__), MP_ROM_PTR(&tls_exit_obj) },
    { MP_ROM_QSTR(MP_QSTR_getpeercert), MP_ROM_PTR(&usk_tls_getpeercert_obj) },
    { MP_ROM_QSTR(MP_QSTR_cipher), MP_ROM_PTR(&usk_tls_cipher_obj) },
    { MP_ROM_QSTR(MP_QSTR_version), MP_ROM_PTR(&usk_tls_version_obj) },
    { MP_ROM_QSTR(MP_QSTR_selected_alpn_protocol), MP_ROM_PTR(&usk_tls_alpn_obj) },
    { MP_ROM_QSTR(MP_QSTR_do_handshake), MP_ROM_PTR(&tls_do_handshake_obj) },
};
static MP_DEFINE_CONST_DICT(tls_locals, tls_locals_table);

// Its own methods, then those of a socket.
static void tls_attr(mp_obj_t self_in, qstr attr, mp_obj_t *dest) {
    if (dest[0] != MP_OBJ_NULL) {
        return; // no attribute can be stored
    }
    const mp_obj_dict_t *places[] = { &tls_locals, &usk_socket_locals };
    for (size_t i = 0; i < MP_ARRAY_SIZE(places); ++i) {
        mp_map_t *map = (mp_map_t *)&places[i]->map;
        mp_map_elem_t *elem = mp_map_lookup(map, MP_OBJ_NEW_QSTR(attr), MP_MAP_LOOKUP);
        if (elem != NULL) {
            mp_convert_member_lookup(self_in, mp_obj_get_type(self_in), elem->value, dest);
            return;
        }
    }
    usk_socket_attr(self_in, attr, dest);
}

// A socket by its parent class, both for Python and for the socket methods.
static MP_DEFINE_CONST_OBJ_TYPE(
    tls_socket_type,
    MP_QSTR_SSLSocket,
    MP_TYPE_FLAG_NONE,
    print, tls_print,
    attr, tls_attr,
    protocol, &tls_stream_p,
    parent, &usk_socket_type,
    locals_dict, &tls_locals
    );
