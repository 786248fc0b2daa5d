// Addresses between Python and usocket_addr: tuples, the bytes of a struct sockaddr, Unix paths.

#include <string.h>
#include <sys/socket.h>

#include "py/objstr.h"
#include "py/objtuple.h"

#include "address.h"
#include "error.h"

const char *usk_text_get(mp_obj_t obj) {
    if (obj == mp_const_none) {
        return NULL;
    }
    size_t len;
    const char *text = mp_obj_str_get_data(obj, &len); // str or bytes, TypeError otherwise
    if (memchr(text, 0, len) != NULL) {
        mp_raise_ValueError(MP_ERROR_TEXT("embedded null character"));
    }
    return text;
}

mp_int_t usk_port_get(mp_obj_t obj) {
    mp_int_t port = mp_obj_get_int(obj);
    if (port < 0 || port > 65535) {
        mp_raise_msg(&usk_type_port_error, MP_ERROR_TEXT("port must be 0-65535"));
    }
    return port;
}

// Named Unix sockets as well.
static bool is_tuple(mp_obj_t obj) {
    return MP_OBJ_TYPE_GET_SLOT_OR_NULL(mp_obj_get_type(obj), iter) == mp_obj_tuple_getiter;
}

// (host, port[, flowinfo[, scope id]])
static void from_tuple(mp_obj_t obj, int family, usocket_addr *addr) {
    size_t n;
    mp_obj_t *items;
    if (is_tuple(obj)) {
        mp_obj_tuple_get(obj, &n, &items);
    } else {
        mp_obj_get_array(obj, &n, &items);
    }
    if (n < 2 || n > 4 || (family == AF_INET && n != 2)) {
        mp_raise_ValueError(MP_ERROR_TEXT("address: (host, port), and for IPv6 flowinfo and scope id"));
    }
    const char *host = usk_text_get(items[0]);
    if (host == NULL) {
        mp_raise_TypeError(MP_ERROR_TEXT("host: str expected"));
    }
    mp_int_t port = usk_port_get(items[1]);
    mp_int_t flowinfo = n > 2 ? mp_obj_get_int(items[2]) : 0;
    mp_int_t scope_id = n > 3 ? mp_obj_get_int(items[3]) : 0;
    if (flowinfo < 0 || flowinfo > 0xfffff || scope_id < 0 || (uint64_t)scope_id > UINT32_MAX) {
        mp_raise_ValueError(MP_ERROR_TEXT("flowinfo or scope id out of range"));
    }
    int32_t r;
    USK_CALL(r, usocket_addr_ip(family, host, port, (uint32_t)flowinfo, (uint32_t)scope_id, addr));
    usk_check(r, 0);
}

void usk_addr_get(mp_obj_t obj, int family, usocket_addr *addr) {
    int32_t r;
    if (is_tuple(obj) || mp_obj_is_type(obj, &mp_type_list)) {
        from_tuple(obj, family == AF_INET || family == AF_INET6 ? family : 0, addr);
        return;
    }
    mp_buffer_info_t bytes;
    mp_get_buffer_raise(obj, &bytes, MP_BUFFER_READ);
    // A path is no struct sockaddr: its first bytes would be the family, and this one has a NUL.
    sa_family_t first = AF_UNSPEC;
    if (bytes.len >= offsetof(struct sockaddr, sa_data)) {
        memcpy(&first, (const char *)bytes.buf + offsetof(struct sockaddr, sa_family), sizeof(first));
    }
    if (family == AF_UNIX && (mp_obj_is_str(obj) || first != AF_UNIX)) {
        USK_CALL(r, usocket_addr_unix(bytes.buf, bytes.len, addr));
    } else {
        USK_CALL(r, usocket_addr_from_bytes(bytes.buf, bytes.len, addr));
    }
    usk_check(r, 0);
}

static mp_obj_t unix_new(const usocket_addr *addr) {
    char path[128];
    int32_t len;
    USK_CALL(len, usocket_addr_path(addr, path, sizeof(path)));
    usk_check(len, 0);
    // An abstract name becomes bytes, and so does a path that is not UTF-8.
    nlr_buf_t nlr;
    if ((len == 0 || path[0] != 0) && nlr_push(&nlr) == 0) {
        vstr_t text;
        vstr_init(&text, (size_t)len + 1);
        vstr_add_strn(&text, path, (size_t)len);
        mp_obj_t str = mp_obj_new_str_from_vstr(&text); // checks it, in every version
        nlr_pop();
        return str;
    }
    return mp_obj_new_bytes((const byte *)path, (size_t)len);
}

mp_obj_t usk_addr_new(const usocket_addr *addr) {
    int32_t family;
    USK_CALL(family, usocket_addr_family(addr));
    if (family == AF_UNIX) {
        return unix_new(addr);
    }
    if (family == AF_INET || family == AF_INET6) {
        char host[64];
        int32_t len;
        USK_CALL(len, usocket_addr_host(addr, host, sizeof(host)));
        usk_check(len, 0);
        mp_obj_t items[4] = {
            mp_obj_new_str(host, (size_t)len),
            MP_OBJ_NEW_SMALL_INT(usocket_addr_port(addr)),
        };
        if (family == AF_INET) {
            return mp_obj_new_tuple(2, items);
        }
        items[2] = mp_obj_new_int_from_uint((mp_uint_t)usocket_addr_flowinfo(addr));
        items[3] = mp_obj_new_int_from_uint((mp_uint_t)usocket_addr_scope_id(addr));
        return mp_obj_new_tuple(4, items);
    }
    if (addr->len == 0) {
        return mp_const_none;
    }
    return mp_obj_new_bytes((const byte *)addr->storage, addr->len);
}

mp_obj_t usk_addr_parts(const usocket_addr *addr) {
    int32_t family;
    USK_CALL(family, usocket_addr_family(addr));
    if (family == AF_INET || family == AF_INET6) {
        char host[64];
        byte bin[16];
        int32_t len;
        USK_CALL(len, usocket_addr_host(addr, host, sizeof(host)));
        usk_check(len, 0);
        USK_CALL(len, usocket_inet_pton(family, host, bin, sizeof(bin)));
        usk_check(len, 0);
        mp_obj_t items[5] = {
            MP_OBJ_NEW_SMALL_INT(family),
            mp_obj_new_bytes(bin, (size_t)len),
            MP_OBJ_NEW_SMALL_INT(usocket_addr_port(addr)),
        };
        if (family == AF_INET) {
            return mp_obj_new_tuple(3, items);
        }
        items[3] = mp_obj_new_int_from_uint((mp_uint_t)usocket_addr_flowinfo(addr));
        items[4] = mp_obj_new_int_from_uint((mp_uint_t)usocket_addr_scope_id(addr));
        return mp_obj_new_tuple(5, items);
    }
    size_t head = offsetof(struct sockaddr, sa_data);
    size_t rest = addr->len > head ? addr->len - head : 0;
    mp_obj_t items[2] = {
        MP_OBJ_NEW_SMALL_INT(family),
        mp_obj_new_bytes((const byte *)addr->storage + head, rest),
    };
    return mp_obj_new_tuple(2, items);
}
