// What a stream wrapped in TLS holds, and what moves its records.
#ifndef USK_TLS_CARRY_H
#define USK_TLS_CARRY_H

#include "wrap.h"

#define USK_TLS_HEADER 5

// A stream wrapped in TLS.
typedef struct _tls_stream_t {
    usk_socket_t tls; // first, so that cipher() and the like are a socket's
    mp_obj_t stream;  // MP_OBJ_NULL when closed
    bool closing;
    usk_tls_context_t *context;
    // What the session waits for, if it is not what it was asked to do: MP_STREAM_POLL_ flags.
    uintptr_t wants;
    // The header of the record that is coming, as far as it is here, and how much of the record is not.
    byte header[USK_TLS_HEADER];
    size_t header_len, record_left;
    // What the stream has not taken yet.
    byte *out;
    size_t out_at, out_len;
    // What is in there, or in the library, and was not counted.
    byte *uncounted;
    size_t uncounted_at, uncounted_len;
} tls_stream_t;

// Hands the stream all there is for it. 0: it has it, or -errno: -EAGAIN when it would block.
int usk_tls_flush(tls_stream_t *self);

enum { OP_HANDSHAKE, OP_READ, OP_WRITE };
// Does that as far as the stream lets it: its result, or -EAGAIN when the stream would block.
int64_t usk_tls_drive(tls_stream_t *self, int op, void *buf, size_t len);

#endif
