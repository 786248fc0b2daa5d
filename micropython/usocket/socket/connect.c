// The methods of the class socket for addresses, connecting and accepting.

#include <errno.h>
#include <limits.h>
#include <sys/socket.h>

#include "py/objint.h"

#include "methods.h"

int32_t usk_socket_addr_of(usk_socket_t *self, mp_obj_t obj, usocket_addr *addr) {
    int32_t family;
    USK_CALL(family, usocket_family(self->s));
    if (family >= 0) {
        usk_addr_get(obj, family, addr);
    }
    return MIN(family, 0);
}

static mp_obj_t socket_bind(mp_obj_t self_in, mp_obj_t address) {
    usk_socket_t *self = usk_self(self_in);
    usocket_addr addr;
    usk_socket_addr_get(self, address, &addr);
    int32_t r;
    USK_CALL(r, usocket_bind(self->s, &addr));
    return usk_socket_none(self, r);
}
MP_DEFINE_CONST_FUN_OBJ_2(usk_socket_bind_obj, socket_bind);

// Any integer: the library takes negative values as 0; large ones are limited to the maximum.
static int32_t backlog_get(mp_obj_t obj) {
    if (mp_obj_is_int(obj) && !mp_obj_is_small_int(obj)) {
        return mp_obj_int_sign(obj) < 0 ? -1 : INT_MAX;
    }
    return (int32_t)MIN(MAX(mp_obj_get_int(obj), -1), INT_MAX);
}

// listen(backlog=...)
static mp_obj_t socket_listen(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    static const qstr names[] = { MP_QSTR_backlog };
    mp_obj_t args[1];
    usk_socket_t *self = usk_method(n_args, pos_args, kw_args, 0, 1, names, args);
    int32_t backlog = args[0] == MP_OBJ_NULL ? USOCKET_BACKLOG_DEFAULT : backlog_get(args[0]);
    int32_t r;
    USK_CALL(r, usocket_listen(self->s, backlog));
    return usk_socket_none(self, r);
}
MP_DEFINE_CONST_FUN_OBJ_KW(usk_socket_listen_obj, 1, socket_listen);

static mp_obj_t socket_accept(mp_obj_t self_in) {
    usk_socket_t *self = usk_self(self_in);
    // Allocated before, so that no connection is lost for lack of memory.
    usk_socket_t *conn = usk_socket_new();
    byte *reserve = m_new(byte, USK_ADDR_RESULT);
    usocket_addr peer;
    usocket_t s;
    USK_OPEN(USK_WAIT, s, usocket_accept(self->s, &peer));
    m_del(byte, reserve, USK_ADDR_RESULT);
    conn->s = usk_socket_check(self, s);
    mp_obj_t items[2] = { MP_OBJ_FROM_PTR(conn), usk_addr_new(&peer) };
    return mp_obj_new_tuple(2, items);
}
MP_DEFINE_CONST_FUN_OBJ_1(usk_socket_accept_obj, socket_accept);

int32_t usk_socket_connect(usk_socket_t *self, mp_obj_t address) {
    usocket_addr addr;
    int32_t r = usk_socket_addr_of(self, address, &addr);
    if (r >= 0) {
        USK_WAIT(r, usocket_connect(self->s, &addr));
    }
    return r;
}

static mp_obj_t socket_connect(mp_obj_t self_in, mp_obj_t address) {
    usk_socket_t *self = usk_self(self_in);
    return usk_socket_none(self, usk_socket_connect(self, address));
}
MP_DEFINE_CONST_FUN_OBJ_2(usk_socket_connect_obj, socket_connect);

static mp_obj_t socket_connect_ex(mp_obj_t self_in, mp_obj_t address) {
    int32_t r = usk_socket_connect(usk_self(self_in), address);
    return MP_OBJ_NEW_SMALL_INT(r < 0 ? usk_errno(r) : 0);
}
MP_DEFINE_CONST_FUN_OBJ_2(usk_socket_connect_ex_obj, socket_connect_ex);

static mp_obj_t socket_shutdown(mp_obj_t self_in, mp_obj_t how_in) {
    usk_socket_t *self = usk_self(self_in);
    int how = usk_int_get(how_in);
    int32_t r;
    USK_CALL(r, usocket_shutdown(self->s, how));
    return usk_socket_none(self, r);
}
MP_DEFINE_CONST_FUN_OBJ_2(usk_socket_shutdown_obj, socket_shutdown);

static mp_obj_t socket_getsockname(mp_obj_t self_in) {
    usk_socket_t *self = usk_self(self_in);
    usocket_addr addr;
    int32_t r;
    USK_CALL(r, usocket_getsockname(self->s, &addr));
    usk_socket_check(self, r);
    return usk_addr_new(&addr);
}
MP_DEFINE_CONST_FUN_OBJ_1(usk_socket_getsockname_obj, socket_getsockname);

static mp_obj_t socket_getpeername(mp_obj_t self_in) {
    usk_socket_t *self = usk_self(self_in);
    usocket_addr addr;
    int32_t r;
    USK_CALL(r, usocket_getpeername(self->s, &addr));
    usk_socket_check(self, r);
    return usk_addr_new(&addr);
}
MP_DEFINE_CONST_FUN_OBJ_1(usk_socket_getpeername_obj, socket_getpeername);
