// The methods of the class socket that CPython's has too.

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "socket_methods.h"
#include "usk.h"

// What is received up to here is received on the stack.
#define SMALL 1024

static void addr_arg(usk_socket_t *self, mp_obj_t obj, usocket_addr *addr) {
    int32_t family;
    USK_CALL(family, usocket_family(self->s));
    checked(self, family);
    usk_addr_get(obj, family, addr);
}

static int int_arg(size_t n_args, const mp_obj_t *args, size_t i, int otherwise) {
    return n_args > i ? (int)mp_obj_get_int(args[i]) : otherwise;
}

// ---- connecting ----

static mp_obj_t socket_bind(mp_obj_t self_in, mp_obj_t address) {
    usk_socket_t *self = self_of(self_in);
    usocket_addr addr;
    addr_arg(self, address, &addr);
    int32_t r;
    USK_CALL(r, usocket_bind(self->s, &addr));
    return none_checked(self, r);
}
static MP_DEFINE_CONST_FUN_OBJ_2(socket_bind_obj, socket_bind);

// listen([backlog])
static mp_obj_t socket_listen(size_t n_args, const mp_obj_t *args) {
    usk_socket_t *self = self_of(args[0]);
    int32_t r;
    int backlog = int_arg(n_args, args, 1, USOCKET_BACKLOG_DEFAULT);
    USK_CALL(r, usocket_listen(self->s, backlog));
    return none_checked(self, r);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(socket_listen_obj, 1, 2, socket_listen);

static mp_obj_t socket_accept(mp_obj_t self_in) {
    usk_socket_t *self = self_of(self_in);
    // Made before, so that a connection cannot be lost for want of memory.
    usk_socket_t *conn = usk_socket_new();
    usocket_addr peer;
    usocket_t s;
    USK_OPEN(USK_WAIT, s, usocket_accept(self->s, &peer));
    conn->s = checked(self, s);
    mp_obj_t items[2] = { MP_OBJ_FROM_PTR(conn), usk_addr_new(&peer) };
    return mp_obj_new_tuple(2, items);
}
static MP_DEFINE_CONST_FUN_OBJ_1(socket_accept_obj, socket_accept);

static int32_t connect_to(usk_socket_t *self, mp_obj_t address) {
    usocket_addr addr;
    addr_arg(self, address, &addr);
    int32_t r;
    USK_WAIT(r, usocket_connect(self->s, &addr));
    return r;
}

static mp_obj_t socket_connect(mp_obj_t self_in, mp_obj_t address) {
    usk_socket_t *self = self_of(self_in);
    return none_checked(self, connect_to(self, address));
}
static MP_DEFINE_CONST_FUN_OBJ_2(socket_connect_obj, socket_connect);

static mp_obj_t socket_connect_ex(mp_obj_t self_in, mp_obj_t address) {
    int32_t r = connect_to(self_of(self_in), address);
    return MP_OBJ_NEW_SMALL_INT(r < 0 ? usk_errno(r) : 0);
}
static MP_DEFINE_CONST_FUN_OBJ_2(socket_connect_ex_obj, socket_connect_ex);

static mp_obj_t socket_shutdown(mp_obj_t self_in, mp_obj_t how_in) {
    usk_socket_t *self = self_of(self_in);
    int how = (int)mp_obj_get_int(how_in);
    int32_t r;
    USK_CALL(r, usocket_shutdown(self->s, how));
    return none_checked(self, r);
}
static MP_DEFINE_CONST_FUN_OBJ_2(socket_shutdown_obj, socket_shutdown);

// ---- sending ----

// send(bytes[, flags])
static mp_obj_t socket_send(size_t n_args, const mp_obj_t *args) {
    usk_socket_t *self = self_of(args[0]);
    int flags = int_arg(n_args, args, 2, 0);
    mp_buffer_info_t buf;
    mp_get_buffer_raise(args[1], &buf, MP_BUFFER_READ);
    int64_t r;
    USK_WAIT(r, usocket_send(self->s, buf.buf, buf.len, flags));
    return MP_OBJ_NEW_SMALL_INT(checked(self, r));
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(socket_send_obj, 2, 3, socket_send);

// sendall(bytes[, flags])
static mp_obj_t socket_sendall(size_t n_args, const mp_obj_t *args) {
    usk_socket_t *self = self_of(args[0]);
    int flags = int_arg(n_args, args, 2, 0);
    mp_buffer_info_t buf;
    mp_get_buffer_raise(args[1], &buf, MP_BUFFER_READ);
    int32_t r;
    USK_WAIT(r, usocket_sendall(self->s, buf.buf, buf.len, flags));
    return none_checked(self, r);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(socket_sendall_obj, 2, 3, socket_sendall);

// sendto(bytes[, flags], address)
static mp_obj_t socket_sendto(size_t n_args, const mp_obj_t *args) {
    usk_socket_t *self = self_of(args[0]);
    int flags = n_args > 3 ? (int)mp_obj_get_int(args[2]) : 0;
    usocket_addr to;
    addr_arg(self, args[n_args - 1], &to);
    mp_buffer_info_t buf;
    mp_get_buffer_raise(args[1], &buf, MP_BUFFER_READ);
    int64_t r;
    USK_WAIT(r, usocket_sendto(self->s, buf.buf, buf.len, flags, &to));
    return MP_OBJ_NEW_SMALL_INT(checked(self, r));
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(socket_sendto_obj, 3, 4, socket_sendto);

// ---- receiving ----

static void raise_late(usk_socket_t *self) {
    if (self->late != 0) {
        int64_t late = self->late;
        self->late = 0;
        usk_socket_raise(self, late);
    }
}

static int64_t receive(usk_socket_t *self, void *buf, size_t len, int flags, usocket_addr *from) {
    int64_t r;
    raise_late(self);
    if (from == NULL) {
        USK_WAIT(r, usocket_recv(self->s, buf, len, flags));
    } else {
        USK_WAIT(r, usocket_recvfrom(self->s, buf, len, flags, from));
    }
    return checked(self, usk_ended(r));
}

// The same, of what is in the buffer then. With MSG_TRUNC the number is that of a datagram's bytes, of which
// only those were received that had room, or of a stream's, which were thrown away.
static size_t receive_in(usk_socket_t *self, void *buf, size_t len, int flags, usocket_addr *from) {
    if (flags & MSG_TRUNC) {
        memset(buf, 0, len);
    }
    size_t n = (size_t)receive(self, buf, len, flags, from);
    return MIN(n, len);
}

static mp_obj_t receive_bytes(size_t n_args, const mp_obj_t *args, usocket_addr *from) {
    usk_socket_t *self = self_of(args[0]);
    mp_int_t size = mp_obj_get_int(args[1]);
    int flags = int_arg(n_args, args, 2, 0);
    if (size < 0) {
        mp_raise_ValueError(MP_ERROR_TEXT("negative size"));
    }
    byte small[SMALL];
    if (size <= SMALL) {
        return mp_obj_new_bytes(small, receive_in(self, small, (size_t)size, flags, from));
    }
    vstr_t all;
    vstr_init_len(&all, (size_t)size);
    all.len = receive_in(self, all.buf, all.len, flags, from);
    return mp_obj_new_bytes_from_vstr(&all);
}

// recv(bufsize[, flags])
static mp_obj_t socket_recv(size_t n_args, const mp_obj_t *args) {
    return receive_bytes(n_args, args, NULL);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(socket_recv_obj, 2, 3, socket_recv);

// (what `receive` gives, the sender's address)
static mp_obj_t with_sender(
    mp_obj_t (*receive)(size_t n_args, const mp_obj_t *args, usocket_addr *from), size_t n_args, const mp_obj_t *args) {
    usocket_addr from;
    mp_obj_t items[2];
    items[0] = receive(n_args, args, &from);
    items[1] = usk_addr_new(&from);
    return mp_obj_new_tuple(2, items);
}

// recvfrom(bufsize[, flags])
static mp_obj_t socket_recvfrom(size_t n_args, const mp_obj_t *args) {
    return with_sender(receive_bytes, n_args, args);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(socket_recvfrom_obj, 2, 3, socket_recvfrom);

static mp_obj_t receive_into(size_t n_args, const mp_obj_t *args, usocket_addr *from) {
    usk_socket_t *self = self_of(args[0]);
    mp_buffer_info_t buf;
    mp_get_buffer_raise(args[1], &buf, MP_BUFFER_WRITE);
    mp_int_t n = n_args > 2 ? mp_obj_get_int(args[2]) : 0;
    int flags = int_arg(n_args, args, 3, 0);
    if (n < 0 || (size_t)n > buf.len) {
        mp_raise_ValueError(MP_ERROR_TEXT("nbytes out of range"));
    }
    size_t len = n == 0 ? buf.len : (size_t)n;
    return mp_obj_new_int_from_ll(receive(self, buf.buf, len, flags, from));
}

// recv_into(buffer[, nbytes[, flags]])
static mp_obj_t socket_recv_into(size_t n_args, const mp_obj_t *args) {
    return receive_into(n_args, args, NULL);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(socket_recv_into_obj, 2, 4, socket_recv_into);

// recvfrom_into(buffer[, nbytes[, flags]])
static mp_obj_t socket_recvfrom_into(size_t n_args, const mp_obj_t *args) {
    return with_sender(receive_into, n_args, args);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(socket_recvfrom_into_obj, 2, 4, socket_recvfrom_into);

// ---- the object itself ----

static mp_obj_t socket_fileno(mp_obj_t self_in) {
    int32_t fd;
    USK_CALL(fd, usocket_fileno(self_of(self_in)->s));
    return MP_OBJ_NEW_SMALL_INT(fd < 0 ? -1 : fd);
}
static MP_DEFINE_CONST_FUN_OBJ_1(socket_fileno_obj, socket_fileno);

// detach(): the descriptor, which is then the caller's.
static mp_obj_t socket_detach(mp_obj_t self_in) {
    usk_socket_t *self = self_of(self_in);
    int32_t fd;
    if (self->s == 0) {
        return MP_OBJ_NEW_SMALL_INT(-1);
    }
    USK_CALL(fd, usocket_detach(self->s));
    checked(self, fd);
    self->s = 0;
    return MP_OBJ_NEW_SMALL_INT(fd);
}
static MP_DEFINE_CONST_FUN_OBJ_1(socket_detach_obj, socket_detach);

// makefile(mode='rb', buffering=0): the socket itself, which is a stream already.
static mp_obj_t socket_makefile(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    static const mp_arg_t allowed[] = {
        { MP_QSTR_mode, MP_ARG_OBJ, { .u_rom_obj = MP_ROM_QSTR(MP_QSTR_rb) } },
        { MP_QSTR_buffering, MP_ARG_INT, { .u_int = 0 } },
    };
    mp_arg_val_t args[MP_ARRAY_SIZE(allowed)];
    mp_arg_parse_all(n_args - 1, pos_args + 1, kw_args, MP_ARRAY_SIZE(allowed), allowed, args);
    const char *mode = mp_obj_str_get_str(args[0].u_obj);
    if (strcmp(mode, "rb") != 0 && strcmp(mode, "wb") != 0 && strcmp(mode, "rwb") != 0) {
        mp_raise_ValueError(MP_ERROR_TEXT("mode: rb, wb or rwb"));
    }
    return pos_args[0];
}
static MP_DEFINE_CONST_FUN_OBJ_KW(socket_makefile_obj, 1, socket_makefile);

static mp_obj_t socket_close(mp_obj_t self_in) {
    usk_socket_close(self_of(self_in));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(socket_close_obj, socket_close);

// __del__, by the collector: it must neither wait nor let another thread run.
static mp_obj_t socket_del(mp_obj_t self_in) {
    usk_socket_t *self = self_of(self_in);
    if (self->s != 0) {
        int32_t r;
        USK_CALL(r, usocket_close(self->s));
        (void)r;
        self->s = 0;
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(socket_del_obj, socket_del);

static mp_obj_t socket_exit(size_t n_args, const mp_obj_t *args) {
    (void)n_args;
    return socket_close(args[0]);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(socket_exit_obj, 4, 4, socket_exit);

static const mp_rom_map_elem_t locals_table[] = {
    { MP_ROM_QSTR(MP_QSTR_recv), MP_ROM_PTR(&socket_recv_obj) },
    { MP_ROM_QSTR(MP_QSTR_send), MP_ROM_PTR(&socket_send_obj) },
    { MP_ROM_QSTR(MP_QSTR_read), MP_ROM_PTR(&usk_socket_read_obj) },
    { MP_ROM_QSTR(MP_QSTR_write), MP_ROM_PTR(&usk_socket_write_obj) },
    { MP_ROM_QSTR(MP_QSTR_readline), MP_ROM_PTR(&usk_socket_readline_obj) },
    { MP_ROM_QSTR(MP_QSTR_readinto), MP_ROM_PTR(&usk_socket_readinto_obj) },
    { MP_ROM_QSTR(MP_QSTR_readall), MP_ROM_PTR(&usk_socket_readall_obj) },
    { MP_ROM_QSTR(MP_QSTR_sendall), MP_ROM_PTR(&socket_sendall_obj) },
    { MP_ROM_QSTR(MP_QSTR_sendto), MP_ROM_PTR(&socket_sendto_obj) },
    { MP_ROM_QSTR(MP_QSTR_recvfrom), MP_ROM_PTR(&socket_recvfrom_obj) },
    { MP_ROM_QSTR(MP_QSTR_recv_into), MP_ROM_PTR(&socket_recv_into_obj) },
    { MP_ROM_QSTR(MP_QSTR_recvfrom_into), MP_ROM_PTR(&socket_recvfrom_into_obj) },
    { MP_ROM_QSTR(MP_QSTR_connect), MP_ROM_PTR(&socket_connect_obj) },
    { MP_ROM_QSTR(MP_QSTR_connect_ex), MP_ROM_PTR(&socket_connect_ex_obj) },
    { MP_ROM_QSTR(MP_QSTR_bind), MP_ROM_PTR(&socket_bind_obj) },
    { MP_ROM_QSTR(MP_QSTR_listen), MP_ROM_PTR(&socket_listen_obj) },
    { MP_ROM_QSTR(MP_QSTR_accept), MP_ROM_PTR(&socket_accept_obj) },
    { MP_ROM_QSTR(MP_QSTR_shutdown), MP_ROM_PTR(&socket_shutdown_obj) },
    { MP_ROM_QSTR(MP_QSTR_getsockname), MP_ROM_PTR(&usk_socket_getsockname_obj) },
    { MP_ROM_QSTR(MP_QSTR_getpeername), MP_ROM_PTR(&usk_socket_getpeername_obj) },
    { MP_ROM_QSTR(MP_QSTR_setsockopt), MP_ROM_PTR(&usk_socket_setsockopt_obj) },
    { MP_ROM_QSTR(MP_QSTR_getsockopt), MP_ROM_PTR(&usk_socket_getsockopt_obj) },
    { MP_ROM_QSTR(MP_QSTR_settimeout), MP_ROM_PTR(&usk_socket_settimeout_obj) },
    { MP_ROM_QSTR(MP_QSTR_gettimeout), MP_ROM_PTR(&usk_socket_gettimeout_obj) },
    { MP_ROM_QSTR(MP_QSTR_setblocking), MP_ROM_PTR(&usk_socket_setblocking_obj) },
    { MP_ROM_QSTR(MP_QSTR_fileno), MP_ROM_PTR(&socket_fileno_obj) },
    { MP_ROM_QSTR(MP_QSTR_detach), MP_ROM_PTR(&socket_detach_obj) },
    { MP_ROM_QSTR(MP_QSTR_makefile), MP_ROM_PTR(&socket_makefile_obj) },
    { MP_ROM_QSTR(MP_QSTR_close), MP_ROM_PTR(&socket_close_obj) },
    { MP_ROM_QSTR(MP_QSTR___del__), MP_ROM_PTR(&socket_del_obj) },
    { MP_ROM_QSTR(MP_QSTR___enter__), MP_ROM_PTR(&mp_identity_obj) },
    { MP_ROM_QSTR(MP_QSTR___exit__), MP_ROM_PTR(&socket_exit_obj) },
};
MP_DEFINE_CONST_DICT(usk_socket_locals, locals_table);
