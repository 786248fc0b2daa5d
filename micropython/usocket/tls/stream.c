// TLS over a stream that is not one of our sockets (a Python class with readinto, write and ioctl).

#include <errno.h>
#include <sys/socket.h>

#include "py/mphal.h"

#include "carry.h"

static const mp_obj_type_t tls_stream_type;

// ---- the stream protocol ----

static void fail(tls_stream_t *self, int64_t code) {
    self->out = self->uncounted = NULL;
    self->out_at = self->out_len = self->uncounted_at = self->uncounted_len = 0;
    usk_socket_raise(&self->tls, code); // which ends the connection
}

static mp_uint_t transfer(mp_obj_t self_in, int op, void *buf, mp_uint_t size, int *errcode) {
    tls_stream_t *self = MP_OBJ_TO_PTR(self_in);
    if (self->tls.failed != 0) {
        usk_raise(self->tls.failed, 0);
    }
    if (self->stream == MP_OBJ_NULL) {
        *errcode = MP_EINVAL;
        return MP_STREAM_ERROR;
    }
    int64_t r = usk_tls_drive(self, op, buf, size);
    if (op == OP_READ) {
        r = usk_ended(r);
    }
    if (usk_is_tls(r)) {
        fail(self, r);
    }
    if (r < 0) {
        *errcode = usk_errno(r);
        return MP_STREAM_ERROR;
    }
    return (mp_uint_t)r;
}

static mp_uint_t tls_stream_read(mp_obj_t self_in, void *buf, mp_uint_t size, int *errcode) {
    return transfer(self_in, OP_READ, buf, size, errcode);
}

static mp_uint_t tls_stream_write(mp_obj_t self_in, const void *buf, mp_uint_t size, int *errcode) {
    return transfer(self_in, OP_WRITE, (void *)buf, size, errcode);
}

static mp_uint_t tls_stream_poll(tls_stream_t *self, uintptr_t arg, int *errcode) {
    if (self->tls.s == 0) {
        return MP_STREAM_POLL_NVAL;
    }
    const uintptr_t both = MP_STREAM_POLL_RD | MP_STREAM_POLL_WR;
    uintptr_t asked = arg & both;
    mp_uint_t ready = 0;
    if (arg & MP_STREAM_POLL_RD) {
        int64_t pending;
        USK_CALL(pending, usocket_tls_pending(self->tls.s));
        if (pending > 0) {
            ready = MP_STREAM_POLL_RD;
            if (arg == MP_STREAM_POLL_RD && self->out == NULL) {
                return ready; // without a look at the stream
            }
        }
    }
    // The direction that the session waits for replaces the requested one.
    if (self->wants != 0 && asked != 0) {
        arg = (arg & ~both) | self->wants;
    }
    if (self->out != NULL) {
        usk_tls_flush(self); // the peer may wait for it, and nobody may call but to ask this
    }
    if (self->stream == MP_OBJ_NULL) {
        return MP_STREAM_POLL_NVAL; // closed within its own stream's methods
    }
    mp_uint_t r = mp_get_stream(self->stream)->ioctl(self->stream, MP_STREAM_POLL, arg, errcode);
    if (r == MP_STREAM_ERROR) {
        return r;
    }
    return (r & self->wants) != 0 ? ready | r | asked : ready | r;
}

// ---- the end ----

// Frees the library's connection after sending its last output.
static void drop(tls_stream_t *self) {
    usk_socket_close(&self->tls);
    self->out = self->uncounted = NULL;
    self->out_at = self->out_len = self->uncounted_at = self->uncounted_len = 0;
}

// Sends as much of close_notify as the stream takes. The stream has all counted bytes already.
static void say_goodbye(tls_stream_t *self) {
    int32_t r;
    if (usk_tls_flush(self) == 0) {
        USK_CALL(r, usocket_shutdown(self->tls.s, SHUT_WR));
        (void)(r == 0 && usk_tls_flush(self));
    }
}

static mp_uint_t shut(tls_stream_t *self, int *errcode) {
    mp_obj_t stream = self->stream;
    if (stream == MP_OBJ_NULL || self->closing) {
        return 0; // closed before, or within its own stream's methods
    }
    self->closing = true;
    mp_obj_t volatile raised = MP_OBJ_NULL;
    nlr_buf_t nlr;
    if (nlr_push(&nlr) == 0) {
        if (self->tls.s != 0) {
            say_goodbye(self);
        }
        nlr_pop();
    } else {
        raised = MP_OBJ_FROM_PTR(nlr.ret_val);
    }
    self->stream = MP_OBJ_NULL;
    drop(self);
    mp_uint_t r = mp_get_stream(stream)->ioctl(stream, MP_STREAM_CLOSE, 0, errcode);
    if (raised != MP_OBJ_NULL) {
        nlr_raise(raised);
    }
    return r;
}

static mp_uint_t tls_stream_ioctl(mp_obj_t self_in, mp_uint_t request, uintptr_t arg, int *errcode) {
    tls_stream_t *self = MP_OBJ_TO_PTR(self_in);
    switch (request) {
        case MP_STREAM_POLL:
            return tls_stream_poll(self, arg, errcode);
        case MP_STREAM_CLOSE:
            return shut(self, errcode);
        default:
            *errcode = MP_EINVAL;
            return MP_STREAM_ERROR;
    }
}

static const mp_stream_p_t tls_stream_p = {
    .read = tls_stream_read,
    .write = tls_stream_write,
    .ioctl = tls_stream_ioctl,
};

// ---- making one ----

static void shake_hands(tls_stream_t *self) {
    for (;;) {
        int64_t r = usk_tls_drive(self, OP_HANDSHAKE, NULL, 0);
        if (r >= 0) {
            return;
        }
        if (r != -EAGAIN) {
            fail(self, r);
        }
        mp_event_wait_ms(1); // the stream can only be asked again
    }
}

mp_obj_t usk_tls_stream_new(usk_tls_context_t *context, mp_obj_t stream, const char *name, bool handshake) {
    mp_get_stream_raise(stream, MP_STREAM_OP_READ | MP_STREAM_OP_WRITE | MP_STREAM_OP_IOCTL);
    usk_init();
    tls_stream_t *self = mp_obj_malloc_with_finaliser(tls_stream_t, &tls_stream_type);
    self->tls.s = 0;
    self->tls.late = self->tls.failed = 0;
    self->tls.hint = usk_tls_context_hint(context);
    self->stream = stream;
    self->closing = self->reading = self->writing = false;
    self->context = context;
    self->wants = 0;
    self->header_len = self->record_left = 0;
    self->out = self->uncounted = NULL;
    self->out_at = self->out_len = self->uncounted_at = self->uncounted_len = 0;
    usocket_t s = usk_tls_context_create(context, name);
    if (s == USOCKET_ETLS_NO_CERT && !handshake) {
        self->tls.failed = s; // as with stock, the first use tells
        return MP_OBJ_FROM_PTR(self);
    }
    self->tls.s = usk_check(s, 0);
    if (!handshake) {
        return MP_OBJ_FROM_PTR(self);
    }
    nlr_buf_t nlr;
    if (nlr_push(&nlr) == 0) {
        shake_hands(self);
        nlr_pop();
        return MP_OBJ_FROM_PTR(self);
    }
    drop(self); // nobody gets it; the stream is the caller's
    nlr_jump(nlr.ret_val);
}

// ---- the class ----

static mp_obj_t tls_stream_do_handshake(mp_obj_t self_in) {
    tls_stream_t *self = MP_OBJ_TO_PTR(self_in);
    int errcode;
    if (transfer(self_in, OP_HANDSHAKE, NULL, 0, &errcode) == MP_STREAM_ERROR) {
        mp_raise_OSError(errcode);
    }
    (void)self;
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(tls_stream_do_handshake_obj, tls_stream_do_handshake);

static mp_obj_t tls_stream_setblocking(mp_obj_t self_in, mp_obj_t flag) {
    tls_stream_t *self = MP_OBJ_TO_PTR(self_in);
    if (self->stream == MP_OBJ_NULL) {
        mp_raise_OSError(MP_EBADF);
    }
    mp_obj_t method[3];
    mp_load_method(self->stream, MP_QSTR_setblocking, method);
    method[2] = flag;
    return mp_call_method_n_kw(1, 0, method);
}
static MP_DEFINE_CONST_FUN_OBJ_2(tls_stream_setblocking_obj, tls_stream_setblocking);

// __del__, called by the collector: the stream may be freed already, and so may the unsent bytes.
static mp_obj_t tls_stream_del(mp_obj_t self_in) {
    tls_stream_t *self = MP_OBJ_TO_PTR(self_in);
    usocket_t s = self->tls.s;
    self->tls.s = 0;
    self->stream = MP_OBJ_NULL;
    if (s != 0) {
        usk_close(s);
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(tls_stream_del_obj, tls_stream_del);

static void tls_stream_print(const mp_print_t *print, mp_obj_t self_in, mp_print_kind_t kind) {
    (void)self_in;
    (void)kind;
    mp_printf(print, "<SSLSocket>");
}

static const mp_rom_map_elem_t tls_stream_locals_table[] = {
    { MP_ROM_QSTR(MP_QSTR_read), MP_ROM_PTR(&mp_stream_read_obj) },
    { MP_ROM_QSTR(MP_QSTR_readinto), MP_ROM_PTR(&mp_stream_readinto_obj) },
    { MP_ROM_QSTR(MP_QSTR_readline), MP_ROM_PTR(&mp_stream_unbuffered_readline_obj) },
    { MP_ROM_QSTR(MP_QSTR_write), MP_ROM_PTR(&mp_stream_write_obj) },
    { MP_ROM_QSTR(MP_QSTR_do_handshake), MP_ROM_PTR(&tls_stream_do_handshake_obj) },
    { MP_ROM_QSTR(MP_QSTR_setblocking), MP_ROM_PTR(&tls_stream_setblocking_obj) },
    { MP_ROM_QSTR(MP_QSTR_ioctl), MP_ROM_PTR(&mp_stream_ioctl_obj) },
    { MP_ROM_QSTR(MP_QSTR_close), MP_ROM_PTR(&mp_stream_close_obj) },
    { MP_ROM_QSTR(MP_QSTR___del__), MP_ROM_PTR(&tls_stream_del_obj) },
    { MP_ROM_QSTR(MP_QSTR_getpeercert), MP_ROM_PTR(&usk_tls_getpeercert_obj) },
    { MP_ROM_QSTR(MP_QSTR_cipher), MP_ROM_PTR(&usk_tls_cipher_obj) },
    { MP_ROM_QSTR(MP_QSTR_version), MP_ROM_PTR(&usk_tls_version_obj) },
    { MP_ROM_QSTR(MP_QSTR_selected_alpn_protocol), MP_ROM_PTR(&usk_tls_alpn_obj) },
};
static MP_DEFINE_CONST_DICT(tls_stream_locals, tls_stream_locals_table);

static MP_DEFINE_CONST_OBJ_TYPE(
    tls_stream_type,
    MP_QSTR_SSLSocket,
    MP_TYPE_FLAG_NONE,
    print, tls_stream_print,
    protocol, &tls_stream_p,
    locals_dict, &tls_stream_locals
    );
