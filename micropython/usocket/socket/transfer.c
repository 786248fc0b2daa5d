// The methods of the class socket that send and receive, as CPython's.

#include <string.h>
#include <sys/socket.h>

#include "methods.h"

// Up to this size, data is received on the stack.
#define SMALL 1024

// ---- sending ----

// send(bytes, flags=0)
static mp_obj_t socket_send(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    static const qstr names[] = { MP_QSTR_bytes, MP_QSTR_flags };
    mp_obj_t args[2];
    usk_socket_t *self = usk_method(n_args, pos_args, kw_args, 1, 2, names, args);
    int flags = usk_int_or(args[1], 0);
    mp_buffer_info_t buf;
    mp_get_buffer_raise(args[0], &buf, MP_BUFFER_READ);
    int64_t r;
    USK_WAIT(r, usocket_send(self->s, buf.buf, buf.len, flags));
    return mp_obj_new_int((mp_int_t)usk_socket_check(self, r));
}
MP_DEFINE_CONST_FUN_OBJ_KW(usk_socket_send_obj, 1, socket_send);

// sendall(bytes, flags=0)
static mp_obj_t socket_sendall(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    static const qstr names[] = { MP_QSTR_bytes, MP_QSTR_flags };
    mp_obj_t args[2];
    usk_socket_t *self = usk_method(n_args, pos_args, kw_args, 1, 2, names, args);
    int flags = usk_int_or(args[1], 0);
    mp_buffer_info_t buf;
    mp_get_buffer_raise(args[0], &buf, MP_BUFFER_READ);
    int32_t r;
    USK_WAIT(r, usocket_sendall(self->s, buf.buf, buf.len, flags));
    return usk_socket_none(self, r);
}
MP_DEFINE_CONST_FUN_OBJ_KW(usk_socket_sendall_obj, 1, socket_sendall);

// sendto(bytes, address), sendto(bytes, flags, address)
static mp_obj_t socket_sendto(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    static const qstr two[] = { MP_QSTR_bytes, MP_QSTR_address }, three[] = { MP_QSTR_bytes, MP_QSTR_flags, MP_QSTR_address };
    mp_obj_t args[3];
    usk_socket_t *self;
    if (n_args + kw_args->used < 4) {
        self = usk_method(n_args, pos_args, kw_args, 2, 2, two, args);
        args[2] = args[1];
        args[1] = MP_OBJ_NULL;
    } else {
        self = usk_method(n_args, pos_args, kw_args, 3, 3, three, args);
    }
    int flags = usk_int_or(args[1], 0);
    usocket_addr to;
    usk_socket_addr_get(self, args[2], &to);
    mp_buffer_info_t buf;
    mp_get_buffer_raise(args[0], &buf, MP_BUFFER_READ);
    int64_t r;
    USK_WAIT(r, usocket_sendto(self->s, buf.buf, buf.len, flags, &to));
    return mp_obj_new_int((mp_int_t)usk_socket_check(self, r));
}
MP_DEFINE_CONST_FUN_OBJ_KW(usk_socket_sendto_obj, 1, socket_sendto);

// ---- receiving ----

// Receives into a buffer and frees `reserve`, the room for the result.
static int64_t receive(usk_socket_t *self, void *buf, size_t len, int flags, usocket_addr *from, byte *reserve, size_t size) {
    int64_t r = self->late;
    self->late = 0;
    if (r == 0 && from == NULL) {
        USK_WAIT(r, usocket_recv(self->s, buf, len, flags));
    } else if (r == 0) {
        USK_WAIT(r, usocket_recvfrom(self->s, buf, len, flags, from));
    }
    m_del(byte, reserve, size);
    return usk_socket_check(self, usk_ended(r));
}

static mp_obj_t receive_bytes(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args, usocket_addr *from) {
    static const qstr names[] = { MP_QSTR_bufsize, MP_QSTR_flags };
    mp_obj_t args[2];
    usk_socket_t *self = usk_method(n_args, pos_args, kw_args, 1, 2, names, args);
    mp_int_t size = mp_obj_get_int(args[0]);
    int flags = usk_int_or(args[1], 0);
    if (size < 0) {
        mp_raise_ValueError(MP_ERROR_TEXT("negative size"));
    }
    byte small[SMALL];
    vstr_t all = { .buf = (char *)small, .len = (size_t)size };
    size_t room = USK_RESULT + (from != NULL ? USK_ADDR_RESULT : 0);
    if (size <= SMALL) {
        room += (size_t)size;
    } else {
        vstr_init_len(&all, (size_t)size);
    }
    byte *reserve = m_new(byte, room);
    // With MSG_TRUNC the number is the length of a datagram, of which only a part may have been received, or the
    // number of discarded bytes of a stream.
    if (flags & MSG_TRUNC) {
        memset(all.buf, 0, all.len);
    }
    size_t n = (size_t)receive(self, all.buf, all.len, flags, from, reserve, room);
    all.len = MIN(n, all.len);
    return size <= SMALL ? mp_obj_new_bytes(small, all.len) : mp_obj_new_bytes_from_vstr(&all);
}

// recv(bufsize, flags=0)
static mp_obj_t socket_recv(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    return receive_bytes(n_args, pos_args, kw_args, NULL);
}
MP_DEFINE_CONST_FUN_OBJ_KW(usk_socket_recv_obj, 1, socket_recv);

static mp_obj_t receive_into(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args, usocket_addr *from) {
    static const qstr names[] = { MP_QSTR_buffer, MP_QSTR_nbytes, MP_QSTR_flags };
    mp_obj_t args[3];
    usk_socket_t *self = usk_method(n_args, pos_args, kw_args, 1, 3, names, args);
    mp_buffer_info_t buf;
    mp_get_buffer_raise(args[0], &buf, MP_BUFFER_WRITE);
    mp_int_t n = args[1] == MP_OBJ_NULL ? 0 : mp_obj_get_int(args[1]);
    int flags = usk_int_or(args[2], 0);
    if (n < 0 || (size_t)n > buf.len) {
        mp_raise_ValueError(MP_ERROR_TEXT("nbytes out of range"));
    }
    size_t len = n == 0 ? buf.len : (size_t)n;
    size_t room = from != NULL ? USK_ADDR_RESULT : 0;
    byte *reserve = room > 0 ? m_new(byte, room) : NULL;
    return mp_obj_new_int((mp_int_t)receive(self, buf.buf, len, flags, from, reserve, room));
}

// recv_into(buffer, nbytes=0, flags=0)
static mp_obj_t socket_recv_into(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    return receive_into(n_args, pos_args, kw_args, NULL);
}
MP_DEFINE_CONST_FUN_OBJ_KW(usk_socket_recv_into_obj, 1, socket_recv_into);

// (the result of `receiver`, the sender's address)
static mp_obj_t with_sender(mp_obj_t (*receiver)(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args, usocket_addr *from),
    size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    usocket_addr from = { 0 }; // none, at the end of a stream
    mp_obj_t items[2];
    items[0] = receiver(n_args, pos_args, kw_args, &from);
    items[1] = usk_addr_new(&from);
    return mp_obj_new_tuple(2, items);
}

// recvfrom(bufsize, flags=0)
static mp_obj_t socket_recvfrom(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    return with_sender(receive_bytes, n_args, pos_args, kw_args);
}
MP_DEFINE_CONST_FUN_OBJ_KW(usk_socket_recvfrom_obj, 1, socket_recvfrom);

// recvfrom_into(buffer, nbytes=0, flags=0)
static mp_obj_t socket_recvfrom_into(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    return with_sender(receive_into, n_args, pos_args, kw_args);
}
MP_DEFINE_CONST_FUN_OBJ_KW(usk_socket_recvfrom_into_obj, 1, socket_recvfrom_into);
