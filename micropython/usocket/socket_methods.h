// The methods of the class socket (socket_methods.c), for the type (socket.c) and its relatives.
#ifndef USK_SOCKET_METHODS_H
#define USK_SOCKET_METHODS_H

#include "usk.h"

extern const mp_obj_dict_t usk_socket_locals;

// The attributes family, type and proto (socket.c).
void usk_socket_attr(mp_obj_t self_in, qstr attr, mp_obj_t *dest);

static inline usk_socket_t *self_of(mp_obj_t obj) {
    return usk_self(obj);
}

// Raises an error of the socket's. One of TLS ends the connection: its session goes at once.
MP_NORETURN void usk_socket_raise(usk_socket_t *self, int64_t code);

static inline int64_t checked(usk_socket_t *self, int64_t r) {
    if (r < 0) {
        usk_socket_raise(self, r);
    }
    return r;
}

// None, unless `r` is an error of the socket's.
static inline mp_obj_t none_checked(usk_socket_t *self, int64_t r) {
    checked(self, r);
    return mp_const_none;
}

// The end of a connection that TLS was not told of is the end of the stream, as with stock and CPython.
static inline int64_t usk_ended(int64_t r) {
    return r == USOCKET_ETLS_TRUNCATED ? 0 : r;
}

// Closes the handle of an object, if it has one.
void usk_socket_close(usk_socket_t *self);

// The stream methods (socket_streams.c).
MP_DECLARE_CONST_FUN_OBJ_VAR_BETWEEN(usk_socket_read_obj);
MP_DECLARE_CONST_FUN_OBJ_1(usk_socket_readall_obj);
MP_DECLARE_CONST_FUN_OBJ_VAR_BETWEEN(usk_socket_readinto_obj);
MP_DECLARE_CONST_FUN_OBJ_VAR_BETWEEN(usk_socket_readline_obj);
MP_DECLARE_CONST_FUN_OBJ_VAR_BETWEEN(usk_socket_write_obj);

// Names, options and modes (socket_options.c).
MP_DECLARE_CONST_FUN_OBJ_1(usk_socket_getsockname_obj);
MP_DECLARE_CONST_FUN_OBJ_1(usk_socket_getpeername_obj);
MP_DECLARE_CONST_FUN_OBJ_VAR_BETWEEN(usk_socket_setsockopt_obj);
MP_DECLARE_CONST_FUN_OBJ_VAR_BETWEEN(usk_socket_getsockopt_obj);
MP_DECLARE_CONST_FUN_OBJ_2(usk_socket_settimeout_obj);
MP_DECLARE_CONST_FUN_OBJ_1(usk_socket_gettimeout_obj);
MP_DECLARE_CONST_FUN_OBJ_2(usk_socket_setblocking_obj);

#endif
