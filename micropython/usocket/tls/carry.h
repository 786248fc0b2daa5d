// The object of a stream wrapped in TLS, and the functions that move its records.
#ifndef USK_TLS_CARRY_H
#define USK_TLS_CARRY_H

#include "wrap.h"

#define USK_TLS_HEADER 5

// A stream wrapped in TLS.
typedef struct _tls_stream_t {
    usk_socket_t tls; // first, so that cipher() and the like are a socket's
    mp_obj_t stream;  // MP_OBJ_NULL when closed
    bool closing;
    // Within the stream's methods, which may use the connection again; not in the same direction.
    bool reading, writing;
    usk_tls_context_t *context;
    // The MP_STREAM_POLL_ flags that the session waits for, if they differ from the requested direction.
    uintptr_t wants;
    // The header of the current record, as far as received, and the number of bytes missing from the record.
    byte header[USK_TLS_HEADER];
    size_t header_len, record_left;
    // Bytes that the stream has not taken yet.
    byte *out;
    size_t out_at, out_len;
    // Bytes in that buffer, or in the library, that no write has counted.
    byte *uncounted;
    size_t uncounted_at, uncounted_len;
} tls_stream_t;

// Writes all output to the stream. Returns 0 when it has taken all, or -errno: -EAGAIN when it would block, -EDEADLK
// within the stream's own write.
int usk_tls_flush(tls_stream_t *self);

enum { OP_HANDSHAKE, OP_READ, OP_WRITE };
// Runs the operation as far as the stream allows; returns its result, or -EAGAIN when the stream would block.
int64_t usk_tls_drive(tls_stream_t *self, int op, void *buf, size_t len);

#endif
