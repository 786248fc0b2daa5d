// The module socket (and usocket): its functions and constants.

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "../address.h"
#include "../arguments.h"
#include "object.h"

// inet_pton(af, txt_addr)
static mp_obj_t mod_inet_pton(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    static const qstr names[] = { MP_QSTR_af, MP_QSTR_txt_addr };
    mp_obj_t args[2];
    usk_args(n_args, pos_args, kw_args, 2, 2, names, args);
    byte bin[16];
    int32_t len;
    int af = usk_int_get(args[0]);
    const char *host = mp_obj_str_get_str(args[1]);
    USK_CALL(len, usocket_inet_pton(af, host, bin, sizeof(bin)));
    usk_check(len, 0);
    return mp_obj_new_bytes(bin, (size_t)len);
}
static MP_DEFINE_CONST_FUN_OBJ_KW(mod_inet_pton_obj, 0, mod_inet_pton);

// inet_ntop(af, bin_addr)
static mp_obj_t mod_inet_ntop(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    static const qstr names[] = { MP_QSTR_af, MP_QSTR_bin_addr };
    mp_obj_t args[2];
    usk_args(n_args, pos_args, kw_args, 2, 2, names, args);
    char text[64];
    mp_buffer_info_t bytes;
    int af = usk_int_get(args[0]);
    mp_get_buffer_raise(args[1], &bytes, MP_BUFFER_READ);
    int32_t len;
    USK_CALL(len, usocket_inet_ntop(af, bytes.buf, bytes.len, text, sizeof(text)));
    usk_check(len, 0);
    return mp_obj_new_str(text, (size_t)len);
}
static MP_DEFINE_CONST_FUN_OBJ_KW(mod_inet_ntop_obj, 0, mod_inet_ntop);

// sockaddr(address): (family, bytes, port, ...)
static mp_obj_t mod_sockaddr(mp_obj_t address) {
    usocket_addr addr;
    usk_addr_get(address, mp_obj_is_str(address) ? AF_UNIX : AF_UNSPEC, &addr);
    return usk_addr_parts(&addr);
}
static MP_DEFINE_CONST_FUN_OBJ_1(mod_sockaddr_obj, mod_sockaddr);

static mp_obj_t answers_to_list(const usocket_addrinfo *answers) {
    mp_obj_t list = mp_obj_new_list(0, NULL);
    for (const usocket_addrinfo *a = answers; a != NULL; a = a->next) {
        mp_obj_t items[5] = {
            MP_OBJ_NEW_SMALL_INT(a->family),
            MP_OBJ_NEW_SMALL_INT(a->type),
            MP_OBJ_NEW_SMALL_INT(a->proto),
            a->canonname == NULL ? MP_OBJ_NEW_QSTR(MP_QSTR_) : mp_obj_new_str(a->canonname, strlen(a->canonname)),
            usk_addr_new(&a->addr),
        };
        mp_obj_list_append(list, mp_obj_new_tuple(5, items));
    }
    return list;
}

// A service: its name, or the text of its number in `digits`.
static const char *service_get(mp_obj_t port, char digits[8]) {
    if (!mp_obj_is_int(port)) {
        return usk_text_get(port);
    }
    snprintf(digits, 8, "%d", (int)usk_port_get(port));
    return digits;
}

// getaddrinfo(host, port, af=0, type=0, proto=0, flags=0, *, timeout=None); af is also called family.
static mp_obj_t mod_getaddrinfo(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum { HOST, PORT, AF, TYPE, PROTO, FLAGS, FAMILY, TIMEOUT };
    static const mp_arg_t allowed[] = {
        { MP_QSTR_host, MP_ARG_REQUIRED | MP_ARG_OBJ, { .u_obj = MP_OBJ_NULL } },
        { MP_QSTR_port, MP_ARG_REQUIRED | MP_ARG_OBJ, { .u_obj = MP_OBJ_NULL } },
        { MP_QSTR_af, MP_ARG_INT, { .u_int = 0 } },
        { MP_QSTR_type, MP_ARG_INT, { .u_int = 0 } },
        { MP_QSTR_proto, MP_ARG_INT, { .u_int = 0 } },
        { MP_QSTR_flags, MP_ARG_INT, { .u_int = 0 } },
        { MP_QSTR_family, MP_ARG_KW_ONLY | MP_ARG_INT, { .u_int = 0 } },
        { MP_QSTR_timeout, MP_ARG_KW_ONLY | MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
    };
    mp_arg_val_t args[MP_ARRAY_SIZE(allowed)];
    mp_arg_parse_all(n_args, pos_args, kw_args, MP_ARRAY_SIZE(allowed), allowed, args);
    usk_init();

    int64_t timeout_us = usk_timeout_get(args[TIMEOUT].u_obj);
    const char *host = usk_text_get(args[HOST].u_obj);
    char digits[8];
    const char *service = service_get(args[PORT].u_obj, digits);
    int family = (int)(args[AF].u_int != 0 ? args[AF].u_int : args[FAMILY].u_int);

    usocket_addrinfo *answers;
    int32_t r;
    USK_WAIT(r, usocket_getaddrinfo(host, service, family, (int)args[TYPE].u_int,
        (int)args[PROTO].u_int, (int)args[FLAGS].u_int, timeout_us, &answers));
    usk_check(r, 0);

    nlr_buf_t nlr;
    if (nlr_push(&nlr) == 0) {
        mp_obj_t list = answers_to_list(answers);
        nlr_pop();
        USK_CALL(r, usocket_freeaddrinfo(answers));
        return list;
    }
    USK_CALL(r, usocket_freeaddrinfo(answers));
    nlr_jump(nlr.ret_val);
}
static MP_DEFINE_CONST_FUN_OBJ_KW(mod_getaddrinfo_obj, 0, mod_getaddrinfo);

// create_connection(address, timeout=None, source_address=None): CPython's; the time is for the name as well.
static mp_obj_t mod_create_connection(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum { ADDRESS, TIMEOUT, SOURCE };
    static const mp_arg_t allowed[] = {
        { MP_QSTR_address, MP_ARG_REQUIRED | MP_ARG_OBJ, { .u_obj = MP_OBJ_NULL } },
        { MP_QSTR_timeout, MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_source_address, MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
    };
    mp_arg_val_t args[MP_ARRAY_SIZE(allowed)];
    mp_arg_parse_all(n_args, pos_args, kw_args, MP_ARRAY_SIZE(allowed), allowed, args);
    usk_init();
    mp_obj_t *items;
    mp_obj_get_array_fixed_n(args[ADDRESS].u_obj, 2, &items);
    const char *host = usk_text_get(items[0]);
    char digits[8];
    const char *service = service_get(items[1], digits);
    int64_t timeout_us = usk_timeout_get(args[TIMEOUT].u_obj);
    usocket_addr from, *source = NULL;
    if (args[SOURCE].u_obj != mp_const_none) {
        source = &from;
        usk_addr_get(args[SOURCE].u_obj, AF_UNSPEC, source);
    }
    usk_socket_t *self = usk_socket_new();
    usocket_t s;
    USK_OPEN(USK_WAIT, s, usocket_create_connection(host, service, timeout_us, source));
    self->s = usk_check(s, 0);
    return MP_OBJ_FROM_PTR(self);
}
static MP_DEFINE_CONST_FUN_OBJ_KW(mod_create_connection_obj, 0, mod_create_connection);

// create_server(address, *, family=AF_INET, backlog, reuse_port=False, dualstack_ipv6=False): CPython's.
static mp_obj_t mod_create_server(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum { ADDRESS, FAMILY, BACKLOG, REUSE_PORT, DUALSTACK };
    static const mp_arg_t allowed[] = {
        { MP_QSTR_address, MP_ARG_REQUIRED | MP_ARG_OBJ, { .u_obj = MP_OBJ_NULL } },
        { MP_QSTR_family, MP_ARG_KW_ONLY | MP_ARG_INT, { .u_int = AF_INET } },
        { MP_QSTR_backlog, MP_ARG_KW_ONLY | MP_ARG_INT, { .u_int = USOCKET_BACKLOG_DEFAULT } },
        { MP_QSTR_reuse_port, MP_ARG_KW_ONLY | MP_ARG_BOOL, { .u_bool = false } },
        { MP_QSTR_dualstack_ipv6, MP_ARG_KW_ONLY | MP_ARG_BOOL, { .u_bool = false } },
    };
    mp_arg_val_t args[MP_ARRAY_SIZE(allowed)];
    mp_arg_parse_all(n_args, pos_args, kw_args, MP_ARRAY_SIZE(allowed), allowed, args);
    usk_init();
    usocket_addr addr;
    usk_addr_get(args[ADDRESS].u_obj, (int)args[FAMILY].u_int, &addr);
    int flags = (args[REUSE_PORT].u_bool ? USOCKET_SERVER_REUSE_PORT : 0) | (args[DUALSTACK].u_bool ? USOCKET_SERVER_DUAL_STACK : 0);
    usk_socket_t *self = usk_socket_new();
    usocket_t s;
    USK_OPEN(USK_CALL, s, usocket_create_server(&addr, (int)args[BACKLOG].u_int, flags));
    self->s = usk_check(s, 0);
    return MP_OBJ_FROM_PTR(self);
}
static MP_DEFINE_CONST_FUN_OBJ_KW(mod_create_server_obj, 0, mod_create_server);

// socketpair([family[, type[, proto]]])
static mp_obj_t mod_socketpair(size_t n_args, const mp_obj_t *args) {
    int family = n_args > 0 ? (int)mp_obj_get_int(args[0]) : AF_UNIX;
    int type = n_args > 1 ? (int)mp_obj_get_int(args[1]) : SOCK_STREAM;
    int proto = n_args > 2 ? (int)mp_obj_get_int(args[2]) : 0;
    usk_init();
    usk_socket_t *a = usk_socket_new();
    usk_socket_t *b = usk_socket_new();
    mp_obj_t both[2] = { MP_OBJ_FROM_PTR(a), MP_OBJ_FROM_PTR(b) };
    mp_obj_t tuple = mp_obj_new_tuple(2, both);
    usocket_t pair[2];
    int32_t r;
    USK_OPEN(USK_CALL, r, usocket_socketpair(family, type, proto, pair));
    usk_check(r, 0);
    a->s = pair[0];
    b->s = pair[1];
    return tuple;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(mod_socketpair_obj, 0, 3, mod_socketpair);

static const mp_rom_map_elem_t globals_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_socket) },
    { MP_ROM_QSTR(MP_QSTR_socket), MP_ROM_PTR(&usk_socket_type) },
    { MP_ROM_QSTR(MP_QSTR_getaddrinfo), MP_ROM_PTR(&mod_getaddrinfo_obj) },
    { MP_ROM_QSTR(MP_QSTR_inet_pton), MP_ROM_PTR(&mod_inet_pton_obj) },
    { MP_ROM_QSTR(MP_QSTR_inet_ntop), MP_ROM_PTR(&mod_inet_ntop_obj) },
    { MP_ROM_QSTR(MP_QSTR_sockaddr), MP_ROM_PTR(&mod_sockaddr_obj) },
    { MP_ROM_QSTR(MP_QSTR_socketpair), MP_ROM_PTR(&mod_socketpair_obj) },
    { MP_ROM_QSTR(MP_QSTR_create_connection), MP_ROM_PTR(&mod_create_connection_obj) },
    { MP_ROM_QSTR(MP_QSTR_create_server), MP_ROM_PTR(&mod_create_server_obj) },
    // WiPy's names and CPython's. Every error but that of a port is an OSError.
    { MP_ROM_QSTR(MP_QSTR_error), MP_ROM_PTR(&mp_type_OSError) },
    { MP_ROM_QSTR(MP_QSTR_timeout), MP_ROM_PTR(&usk_type_timeout) },
    { MP_ROM_QSTR(MP_QSTR_gaierror), MP_ROM_PTR(&usk_type_gaierror) },
    { MP_ROM_QSTR(MP_QSTR_PortError), MP_ROM_PTR(&usk_type_port_error) },
    { MP_ROM_QSTR(MP_QSTR_IPPROTO_SEC), MP_ROM_INT(USOCKET_IPPROTO_SEC) },

#define C(name) { MP_ROM_QSTR(MP_QSTR_##name), MP_ROM_INT(name) }
    #include "constants.h"
#undef C
};
static MP_DEFINE_CONST_DICT(globals, globals_table);

const mp_obj_module_t usk_module_socket = {
    .base = { &mp_type_module },
    .globals = (mp_obj_dict_t *)&globals,
};

MP_REGISTER_EXTENSIBLE_MODULE(MP_QSTR_socket, usk_module_socket);
