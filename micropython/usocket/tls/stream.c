// TLS over a stream that is no socket of ours (a class of Python's with readinto, write and ioctl).
//
// The library's session needs a socket: it gets one end of a pair, and this file carries the records between the
// other end and the stream, as much as the stream takes and gives.

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "py/mphal.h"

#include "wrap.h"

// Records are at most 16 KiB and a bit; one of the handshake's is handed over whole.
#define PIECE (17 * 1024)

typedef struct _tls_stream_t {
    usk_socket_t near; // the session's end; first, so that cipher() and the like are a socket's
    usocket_t far;
    mp_obj_t stream;
    usk_tls_context_t *context;
    // What the session waits for, if it is not what it was asked to do: MP_STREAM_POLL_ flags.
    uintptr_t wants;
    bool failed;
} tls_stream_t;

static const mp_obj_type_t tls_stream_type;

static bool is_would_block(int64_t r) {
    return r == -EAGAIN;
}

// Carries what the session has written to the stream. 1: something, 0: nothing to carry, or -errno.
static int carry_out(tls_stream_t *self) {
    byte *piece = m_new(byte, PIECE);
    int carried = 0;
    for (;;) {
        int64_t n;
        USK_CALL(n, usocket_recv(self->far, piece, PIECE, MSG_PEEK | MSG_DONTWAIT));
        if (n <= 0) {
            break;
        }
        int errcode = 0;
        mp_uint_t done = mp_get_stream(self->stream)->write(self->stream, piece, (mp_uint_t)n, &errcode);
        if (done == MP_STREAM_ERROR || done == 0) {
            carried = done == 0 ? -EAGAIN : -errcode;
            break;
        }
        USK_CALL(n, usocket_recv(self->far, piece, done, MSG_DONTWAIT)); // now it may go
        carried = 1;
    }
    m_del(byte, piece, PIECE);
    return carried;
}

// Carries what the stream has to the session. 1: something or the end, or -errno.
static int carry_in(tls_stream_t *self) {
    byte piece[1024];
    int errcode = 0;
    mp_uint_t n = mp_get_stream(self->stream)->read(self->stream, piece, sizeof(piece), &errcode);
    if (n == MP_STREAM_ERROR) {
        return -errcode;
    }
    int32_t r;
    if (n == 0) {
        USK_CALL(r, usocket_shutdown(self->far, SHUT_WR));
    } else {
        USK_CALL(r, usocket_sendall(self->far, piece, n, 0)); // the pair holds far more
    }
    return r < 0 ? r : 1;
}

enum { OP_HANDSHAKE, OP_READ, OP_WRITE };

static int64_t attempt(tls_stream_t *self, int op, void *buf, size_t len) {
    int64_t r;
    if (op == OP_HANDSHAKE) {
        USK_CALL(r, usocket_tls_handshake(self->near.s));
    } else if (op == OP_READ) {
        USK_CALL(r, usocket_recv(self->near.s, buf, len, 0));
    } else {
        USK_CALL(r, usocket_send(self->near.s, buf, len, 0));
    }
    return r;
}

// Does `op` as far as the stream lets it: its result, or -EAGAIN when the stream would block.
static int64_t drive(tls_stream_t *self, int op, void *buf, size_t len) {
    self->wants = 0;
    for (;;) {
        int64_t r = attempt(self, op, buf, len);
        int out = carry_out(self);
        if (!is_would_block(r)) {
            return r; // with what the session had to say about it carried off
        }
        if (out < 0) {
            self->wants = is_would_block(out) ? MP_STREAM_POLL_WR : 0;
            return out;
        }
        int in = carry_in(self);
        if (in < 0) {
            self->wants = is_would_block(in) && op == OP_WRITE ? MP_STREAM_POLL_RD : 0;
            return in;
        }
    }
}

static void tls_stream_shut(tls_stream_t *self) {
    usocket_t handles[2] = { self->near.s, self->far };
    self->near.s = 0;
    self->far = 0;
    for (size_t i = 0; i < 2; ++i) {
        if (handles[i] != 0) {
            int32_t r;
            USK_CALL(r, usocket_close(handles[i]));
            (void)r;
        }
    }
}

static MP_NORETURN void fail(tls_stream_t *self, int64_t code) {
    usocket_t s = self->near.s;
    self->failed = true;
    usk_raise(code, s);
}

mp_obj_t usk_tls_stream_new(usk_tls_context_t *context, mp_obj_t stream, const char *name, bool handshake) {
    mp_get_stream_raise(stream, MP_STREAM_OP_READ | MP_STREAM_OP_WRITE | MP_STREAM_OP_IOCTL);
    usk_init();
    tls_stream_t *self = mp_obj_malloc_with_finaliser(tls_stream_t, &tls_stream_type);
    self->near.s = 0;
    self->near.late = self->near.failed = 0;
    self->far = 0;
    self->stream = stream;
    self->context = context;
    self->wants = 0;
    self->failed = false;
    usocket_t pair[2];
    int32_t r;
    USK_OPEN(USK_CALL, r, usocket_socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    usk_check(r, 0);
    self->near.s = pair[0];
    self->far = pair[1];
    USK_CALL(r, usocket_setblocking(self->near.s, 0));
    usk_check(r, 0);
    r = usk_tls_context_wrap(context, self->near.s, name);
    if (r == USOCKET_ETLS_NO_CERT && !handshake) {
        self->near.late = r; // as with stock, the first use tells
        return MP_OBJ_FROM_PTR(self);
    }
    if (r < 0) {
        tls_stream_shut(self);
        usk_raise(r, 0);
    }
    while (handshake) {
        int64_t done = drive(self, OP_HANDSHAKE, NULL, 0);
        if (done >= 0) {
            break;
        }
        if (!is_would_block(done)) {
            fail(self, done);
        }
        mp_event_wait_ms(1); // the stream can only be asked again
    }
    return MP_OBJ_FROM_PTR(self);
}

// ---- the stream protocol ----

static mp_uint_t transfer(mp_obj_t self_in, int op, void *buf, mp_uint_t size, int *errcode) {
    tls_stream_t *self = MP_OBJ_TO_PTR(self_in);
    if (self->near.late != 0) {
        self->failed = true;
        usk_raise(self->near.late, 0);
    }
    if (self->near.s == 0) {
        *errcode = MP_EINVAL;
        return MP_STREAM_ERROR;
    }
    int64_t r = drive(self, op, buf, size);
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
    if (self->near.s == 0 || self->failed) {
        return MP_STREAM_POLL_NVAL;
    }
    const uintptr_t both = MP_STREAM_POLL_RD | MP_STREAM_POLL_WR;
    uintptr_t asked = arg & both;
    mp_uint_t ready = 0;
    if (arg & MP_STREAM_POLL_RD) {
        int64_t pending;
        USK_CALL(pending, usocket_tls_pending(self->near.s));
        if (pending > 0) {
            ready = MP_STREAM_POLL_RD;
            if (arg == MP_STREAM_POLL_RD) {
                return ready; // without a look at the stream
            }
        }
    }
    // The direction that the session waits for stands in for the one that was asked about.
    if (self->wants != 0 && asked != 0) {
        arg = (arg & ~both) | self->wants;
    }
    mp_uint_t r = mp_get_stream(self->stream)->ioctl(self->stream, MP_STREAM_POLL, arg, errcode);
    if (r == MP_STREAM_ERROR) {
        return r;
    }
    return (r & self->wants) != 0 ? ready | r | asked : ready | r;
}

static mp_uint_t tls_stream_ioctl(mp_obj_t self_in, mp_uint_t request, uintptr_t arg, int *errcode) {
    tls_stream_t *self = MP_OBJ_TO_PTR(self_in);
    if (request == MP_STREAM_POLL) {
        return tls_stream_poll(self, arg, errcode);
    }
    if (request != MP_STREAM_CLOSE) {
        *errcode = MP_EINVAL;
        return MP_STREAM_ERROR;
    }
    if (self->far == 0) {
        return 0; // closed before
    }
    tls_stream_shut(self);
    return mp_get_stream(self->stream)->ioctl(self->stream, MP_STREAM_CLOSE, 0, errcode);
}

static const mp_stream_p_t tls_stream_p = {
    .read = tls_stream_read,
    .write = tls_stream_write,
    .ioctl = tls_stream_ioctl,
};

// ---- the class ----

static mp_obj_t tls_stream_setblocking(mp_obj_t self_in, mp_obj_t flag) {
    tls_stream_t *self = MP_OBJ_TO_PTR(self_in);
    mp_obj_t method[3];
    mp_load_method(self->stream, MP_QSTR_setblocking, method);
    method[2] = flag;
    return mp_call_method_n_kw(1, 0, method);
}
static MP_DEFINE_CONST_FUN_OBJ_2(tls_stream_setblocking_obj, tls_stream_setblocking);

// __del__, by the collector: the stream's memory may be gone already.
static mp_obj_t tls_stream_del(mp_obj_t self_in) {
    tls_stream_shut(MP_OBJ_TO_PTR(self_in));
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
