// The methods of the class socket, for the class (class.c) and its relatives.
#ifndef USK_SOCKET_METHODS_H
#define USK_SOCKET_METHODS_H

#include "../address.h"
#include "../arguments.h"
#include "object.h"

// ---- common functions ----

// The socket that a method is called on, and the other arguments (usk_args).
static inline usk_socket_t *usk_method(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args, size_t required, size_t n,
    const qstr *names, mp_obj_t *args) {
    usk_args(n_args - 1, pos_args + 1, kw_args, required, n, names, args);
    return usk_self(pos_args[0]);
}

// An address of the socket's family from Python's form of it: 0, or the error of a socket that has none (connect.c).
int32_t usk_socket_addr_of(usk_socket_t *self, mp_obj_t obj, usocket_addr *addr);

static inline void usk_socket_addr_get(usk_socket_t *self, mp_obj_t obj, usocket_addr *addr) {
    usk_socket_check(self, usk_socket_addr_of(self, obj, addr));
}

// None, unless `r` is an error of the socket's.
static inline mp_obj_t usk_socket_none(usk_socket_t *self, int64_t r) {
    usk_socket_check(self, r);
    return mp_const_none;
}

// Room on the heap for what a result needs beside its bytes, and for an address: had before the call and freed after
// it, so that no connection and no byte is lost for lack of memory.
#define USK_RESULT 64
#define USK_ADDR_RESULT 384

// ---- the class (class.c) ----

extern const mp_obj_dict_t usk_socket_locals;
// The attributes family, type and proto.
void usk_socket_attr(mp_obj_t self_in, qstr attr, mp_obj_t *dest);

// ---- names and connections (connect.c) ----

int32_t usk_socket_connect(usk_socket_t *self, mp_obj_t address);
MP_DECLARE_CONST_FUN_OBJ_2(usk_socket_bind_obj);
MP_DECLARE_CONST_FUN_OBJ_KW(usk_socket_listen_obj);
MP_DECLARE_CONST_FUN_OBJ_1(usk_socket_accept_obj);
MP_DECLARE_CONST_FUN_OBJ_2(usk_socket_connect_obj);
MP_DECLARE_CONST_FUN_OBJ_2(usk_socket_connect_ex_obj);
MP_DECLARE_CONST_FUN_OBJ_2(usk_socket_shutdown_obj);
MP_DECLARE_CONST_FUN_OBJ_1(usk_socket_getsockname_obj);
MP_DECLARE_CONST_FUN_OBJ_1(usk_socket_getpeername_obj);

// ---- data (transfer.c) ----

MP_DECLARE_CONST_FUN_OBJ_KW(usk_socket_send_obj);
MP_DECLARE_CONST_FUN_OBJ_KW(usk_socket_sendall_obj);
MP_DECLARE_CONST_FUN_OBJ_KW(usk_socket_sendto_obj);
MP_DECLARE_CONST_FUN_OBJ_KW(usk_socket_recv_obj);
MP_DECLARE_CONST_FUN_OBJ_KW(usk_socket_recvfrom_obj);
MP_DECLARE_CONST_FUN_OBJ_KW(usk_socket_recv_into_obj);
MP_DECLARE_CONST_FUN_OBJ_KW(usk_socket_recvfrom_into_obj);

// ---- the stream methods (stream.c) ----

mp_obj_t usk_socket_write(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args);
MP_DECLARE_CONST_FUN_OBJ_KW(usk_socket_read_obj);
MP_DECLARE_CONST_FUN_OBJ_1(usk_socket_readall_obj);
MP_DECLARE_CONST_FUN_OBJ_KW(usk_socket_readinto_obj);
MP_DECLARE_CONST_FUN_OBJ_KW(usk_socket_readline_obj);
MP_DECLARE_CONST_FUN_OBJ_KW(usk_socket_write_obj);
MP_DECLARE_CONST_FUN_OBJ_KW(usk_socket_makefile_obj);

// ---- options and modes (option.c) ----

MP_DECLARE_CONST_FUN_OBJ_KW(usk_socket_setsockopt_obj);
MP_DECLARE_CONST_FUN_OBJ_KW(usk_socket_getsockopt_obj);
MP_DECLARE_CONST_FUN_OBJ_KW(usk_socket_settimeout_obj);
MP_DECLARE_CONST_FUN_OBJ_1(usk_socket_gettimeout_obj);
MP_DECLARE_CONST_FUN_OBJ_KW(usk_socket_setblocking_obj);

#endif
