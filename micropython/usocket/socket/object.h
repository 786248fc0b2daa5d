// The socket object: what is behind the class socket, and behind that of sockets wrapped in TLS.
#ifndef USK_SOCKET_OBJECT_H
#define USK_SOCKET_OBJECT_H

#include "py/stream.h"

#include "../error.h"

typedef struct _usk_socket_t {
    mp_obj_base_t base;
    // 0 when closed.
    usocket_t s;
    // An error that ended a read() or readline() of several calls which had bytes to hand over.
    int64_t late;
    // The error of TLS that ended the connection: every use says it again.
    int64_t failed;
    // What to add when the peer's certificate will not do; NULL for nothing.
    const char *hint;
} usk_socket_t;

// The class, and its stream protocol (class.c).
extern const mp_obj_type_t usk_socket_type;
extern const mp_stream_p_t usk_socket_stream_p;

// A socket object without a socket yet, so that what opens one cannot fail for memory afterwards.
usk_socket_t *usk_socket_new(void);
// The socket that an object is, or is made on: an instance of a Python subclass has one inside. NULL for
// any other object, and for an instance whose __init__ has not called the socket's yet.
usk_socket_t *usk_socket_of(mp_obj_t obj);
// The same of `self`: TypeError where that is no socket.
usk_socket_t *usk_self(mp_obj_t self_in);
// The handle of one of our objects, 0 when closed; false for any other object.
bool usk_handle_of(mp_obj_t obj, usocket_t *s);
// Closes the handle of an object, if it has one.
void usk_socket_close(usk_socket_t *self);
// Raises an error of the socket's. One of TLS ends the connection: its session goes at once.
MP_NORETURN void usk_socket_raise(usk_socket_t *self, int64_t code);

static inline int64_t usk_socket_check(usk_socket_t *self, int64_t r) {
    if (r < 0) {
        usk_socket_raise(self, r);
    }
    return r;
}

// The end of a connection that TLS was not told of is the end of the stream, as with stock and CPython.
static inline int64_t usk_ended(int64_t r) {
    return r == USOCKET_ETLS_TRUNCATED ? 0 : r;
}

#endif
