// Moves bytes between a TLS connection of the library without a socket and a stream: from the stream by
// usocket_tls_feed, to the stream by usocket_tls_drain.
//
// No read goes beyond the current record: a stream that blocks until a read is complete must not wait for bytes that
// nobody sends, and bytes after the end of TLS stay in the stream.
//
// A write counts the bytes that the stream has taken. If the stream does not take them at once, they are already
// encrypted in a record and cannot be taken back: the record is kept, and the write returns None, as in stock
// MicroPython. When the same bytes are written again, they are counted once the record is sent.

#include <errno.h>
#include <string.h>

#include "carry.h"

// The sizes of one send and of one drain: records are slightly larger than 16 KiB at most.
#define RECORD (16 * 1024)
#define PIECE (17 * 1024)

// Calls the stream's read, or its write; `within` is true meanwhile, also if it raises.
static mp_uint_t call_stream(tls_stream_t *self, bool *within, byte *bytes, size_t n, int *errcode) {
    const mp_stream_p_t *stream_p = mp_get_stream(self->stream);
    nlr_buf_t nlr;
    *within = true;
    if (nlr_push(&nlr) != 0) {
        *within = false;
        nlr_jump(nlr.ret_val);
    }
    mp_uint_t done = within == &self->reading
        ? stream_p->read(self->stream, bytes, n, errcode)
        : stream_p->write(self->stream, bytes, n, errcode);
    nlr_pop();
    *within = false;
    return done;
}

int usk_tls_flush(tls_stream_t *self) {
    if (self->writing) {
        return -EDEADLK;
    }
    for (;;) {
        if (self->out_at == self->out_len) {
            int64_t n;
            USK_CALL(n, usocket_tls_drain(self->tls.s, NULL, 0));
            if (n <= 0) {
                return 0;
            }
            size_t room = MIN((size_t)n, PIECE);
            byte *out = m_new(byte, room);
            USK_CALL(n, usocket_tls_drain(self->tls.s, out, room));
            self->out = out;
            self->out_at = 0;
            self->out_len = (size_t)MAX(n, 0);
        }
        int errcode = 0;
        mp_uint_t done = call_stream(
            self, &self->writing, self->out + self->out_at, self->out_len - self->out_at, &errcode);
        if (done == MP_STREAM_ERROR) {
            return -errcode;
        }
        if (done == 0) {
            return -EAGAIN;
        }
        self->out_at += MIN(done, self->out_len - self->out_at);
        if (self->out_at == self->out_len) {
            self->out = NULL;
            self->out_at = self->out_len = 0;
        }
    }
}

// Advances the position within the stream's records by `n` bytes.
static void follow(tls_stream_t *self, const byte *bytes, size_t n) {
    if (self->record_left > 0) {
        self->record_left -= n;
        return;
    }
    memcpy(self->header + self->header_len, bytes, n);
    self->header_len += n;
    if (self->header_len == USK_TLS_HEADER) {
        self->record_left = (size_t)self->header[3] << 8 | self->header[4];
        self->header_len = 0;
    }
}

// Feeds the library the stream's bytes of the current record. Returns 0 for some bytes or the end, or -errno.
static int carry_in(tls_stream_t *self) {
    byte piece[2048];
    size_t want = self->record_left > 0 ? self->record_left : USK_TLS_HEADER - self->header_len;
    int errcode = 0;
    if (self->stream == MP_OBJ_NULL) {
        return -EBADF; // closed within its own stream's methods
    }
    if (self->reading) {
        return -EDEADLK;
    }
    mp_uint_t n = call_stream(self, &self->reading, piece, MIN(want, sizeof(piece)), &errcode);
    if (n == MP_STREAM_ERROR) {
        return -errcode;
    }
    int64_t r;
    if (n == 0) {
        USK_CALL(r, usocket_tls_feed_end(self->tls.s));
        return (int)r;
    }
    n = MIN(n, MIN(want, sizeof(piece)));
    follow(self, piece, n);
    USK_CALL(r, usocket_tls_feed(self->tls.s, piece, n)); // it has room for all of a record
    return r == (int64_t)n ? 0 : r < 0 ? (int)r : -ENOBUFS;
}

static int64_t attempt(tls_stream_t *self, int op, void *buf, size_t len) {
    int64_t r;
    if (op == OP_HANDSHAKE) {
        USK_CALL(r, usocket_tls_handshake(self->tls.s));
    } else if (op == OP_READ) {
        USK_CALL(r, usocket_recv(self->tls.s, buf, len, 0));
    } else {
        USK_CALL(r, usocket_send(self->tls.s, buf, MIN(len, RECORD), 0)); // what it counts is kept here
    }
    return r;
}

// Counts bytes sent meanwhile, if they are the ones written now; returns their number, or 0.
static size_t count(tls_stream_t *self, const void *buf, size_t len) {
    size_t n = MIN(len, self->uncounted_len - self->uncounted_at);
    if (n == 0 || memcmp(buf, self->uncounted + self->uncounted_at, n) != 0) {
        n = 0; // the caller has changed its mind; what it wrote is on its way all the same
        self->uncounted_at = self->uncounted_len;
    }
    self->uncounted_at += n;
    if (self->uncounted_at == self->uncounted_len) {
        self->uncounted = NULL;
        self->uncounted_at = self->uncounted_len = 0;
    }
    return n;
}

// The result of a write of which the library has taken `n` bytes and the stream returned `out`.
static int64_t counted(tls_stream_t *self, const void *buf, int64_t n, int out) {
    if (n > 0 && out == -EAGAIN) {
        self->uncounted = m_new(byte, (size_t)n);
        memcpy(self->uncounted, buf, (size_t)n);
        self->uncounted_at = 0;
        self->uncounted_len = (size_t)n;
    }
    return out < 0 ? out : n;
}

int64_t usk_tls_drive(tls_stream_t *self, int op, void *buf, size_t len) {
    self->wants = 0;
    if (op == OP_WRITE) {
        int out = usk_tls_flush(self);
        if (out < 0) {
            return out;
        }
        size_t n = self->uncounted_len > 0 ? count(self, buf, len) : 0;
        if (n > 0) {
            return (int64_t)n;
        }
    }
    for (;;) {
        int64_t r = attempt(self, op, buf, len);
        int out = usk_tls_flush(self);
        if (r >= 0 && op == OP_WRITE) {
            return counted(self, buf, r, out);
        }
        if (r != -EAGAIN) {
            return r; // with what the library had to say about it carried as far as the stream takes it
        }
        if (out == -EAGAIN && op != OP_WRITE) {
            self->wants = MP_STREAM_POLL_WR; // the peer waits for it, perhaps
        }
        if (out < 0 && out != -EAGAIN) {
            return out;
        }
        int in = carry_in(self);
        if (in == -EAGAIN && op == OP_WRITE && out == 0) {
            self->wants = MP_STREAM_POLL_RD;
        }
        if (in < 0) {
            return in;
        }
        self->wants = 0;
    }
}
