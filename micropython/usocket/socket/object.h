// The socket object, of the class socket and of the class of sockets wrapped in TLS.
#ifndef USK_SOCKET_OBJECT_H
#define USK_SOCKET_OBJECT_H

#include "py/stream.h"

#include "../error.h"

typedef struct _usk_socket_t {
    mp_obj_base_t base;
    // 0 when closed.
    usocket_t s;
    // An error that ended a read() or readline() of several calls after some bytes.
    int64_t late;
    // The TLS error that ended the connection: every use raises it again.
    int64_t failed;
    // A hint for errors about the peer's certificate; NULL for none.
    const char *hint;
} usk_socket_t;

// The class, and its stream protocol (class.c).
extern const mp_obj_type_t usk_socket_type;
extern const mp_stream_p_t usk_socket_stream_p;

// Makes a socket object without a socket, so that no allocation can fail after the socket is opened.
usk_socket_t *usk_socket_new(void);
// The socket of an object: the object itself, or the one inside an instance of a Python subclass. NULL for any other
// object, and for an instance with an __init__ that has not called the socket's yet.
usk_socket_t *usk_socket_of(mp_obj_t obj);
// The same for `self`; raises TypeError if that is not a socket.
usk_socket_t *usk_self(mp_obj_t self_in);
// Gets the handle of a socket object, 0 when closed; false for any other object.
bool usk_handle_of(mp_obj_t obj, usocket_t *s);
// Closes the handle of an object, if it has one.
void usk_socket_close(usk_socket_t *self);
// Raises an error of the socket. A TLS error ends the connection: its session is freed at once.
MP_NORETURN void usk_socket_raise(usk_socket_t *self, int64_t code);

static inline int64_t usk_socket_check(usk_socket_t *self, int64_t r) {
    if (r < 0) {
        usk_socket_raise(self, r);
    }
    return r;
}

// The end of a connection without close_notify counts as the end of the stream, as in stock MicroPython and CPython.
static inline int64_t usk_ended(int64_t r) {
    return r == USOCKET_ETLS_TRUNCATED ? 0 : r;
}

#endif
