// The stream methods of the class socket: read, readall, readinto, readline, write. "No short reads,
// no short writes"; None where a non-blocking socket has nothing; no received byte is ever lost.

#include <errno.h>
#include <string.h>

#include "methods.h"

// The size of the first piece, on the stack: most lines and messages fit in it.
#define FIRST_PIECE 1024
#define BIGGEST_PIECE (1024 * 1024)

// The error an earlier read kept for this one.
static void raise_late(usk_socket_t *self) {
    int64_t late = self->late;
    if (late != 0) {
        self->late = 0;
        usk_socket_raise(self, late);
    }
}

// The result of a call after some bytes: an error that the library will not repeat is kept for the next call.
static void keep_late(usk_socket_t *self, int64_t r) {
    if (r < 0 && r != -EAGAIN && r != -ETIMEDOUT && r != -EINTR) {
        self->late = r;
    }
}

static mp_obj_t none_or_raise(usk_socket_t *self, int64_t r) {
    if (r == -EAGAIN) {
        return mp_const_none;
    }
    usk_socket_raise(self, r);
}

static int64_t read_once(usk_socket_t *self, void *buf, size_t len, bool line) {
    int64_t r;
    if (line) {
        USK_WAIT(r, usocket_readline(self->s, buf, len));
    } else {
        USK_WAIT(r, usocket_read(self->s, buf, len));
    }
    return r;
}

static int64_t read_some(usk_socket_t *self, void *buf, size_t len, bool line) {
    int64_t r = read_once(self, buf, len, line);
    if (r == USOCKET_ETLS_TRUNCATED) {
        r = read_once(self, buf, len, line); // which is said before the last bytes, and again after them
    }
    r = usk_ended(r);
    if (r <= 0 || (size_t)r == len || (line && ((char *)buf)[r - 1] == '\n')) {
        return r;
    }
    // A short read. The library keeps the error of a broken connection for the next call and returns the bytes first;
    // stock MicroPython reports it to an event loop at once, and programs rely on that.
    int64_t timeout_us;
    int32_t ok;
    USK_CALL(ok, usocket_gettimeout(self->s, &timeout_us));
    if (ok == 0 && timeout_us == 0) {
        int64_t kept;
        USK_CALL(kept, usocket_read(self->s, NULL, 0));
        r = usk_ended(kept) < 0 ? kept : r;
    }
    return r;
}

// Reads a further piece: an exception that occurs meanwhile is raised after the bytes so far have been returned, as the
// library does within a piece.
static int64_t read_more(usk_socket_t *self, void *buf, size_t len, bool line) {
    nlr_buf_t nlr;
    if (nlr_push(&nlr) == 0) {
        int64_t r = read_some(self, buf, len, line);
        nlr_pop();
        return r;
    }
    MP_STATE_THREAD(mp_pending_exception) = MP_OBJ_FROM_PTR(nlr.ret_val);
    return -EINTR;
}

// Reads until the end (of the line, or of the stream), in pieces that grow; at most `max` bytes.
static mp_obj_t read_pieces(usk_socket_t *self, size_t max, bool line) {
    char first[FIRST_PIECE];
    raise_late(self);
    size_t want = MIN(max, sizeof(first));
    int64_t r = read_some(self, first, want, line);
    if (r < 0) {
        return none_or_raise(self, r);
    }
    size_t len = (size_t)r;
    if (len < want || len == max || (line && first[len - 1] == '\n')) {
        return mp_obj_new_bytes((const byte *)first, len);
    }
    vstr_t all;
    vstr_init(&all, 2 * sizeof(first));
    vstr_add_strn(&all, first, len);
    for (;;) {
        want = MIN(max - all.len, MIN(all.len, BIGGEST_PIECE));
        if (want == 0) {
            break;
        }
        char *piece = vstr_add_len(&all, want);
        r = read_more(self, piece, want, line);
        len = r < 0 ? 0 : (size_t)r;
        vstr_cut_tail_bytes(&all, want - len);
        if (r < 0) {
            keep_late(self, r);
        }
        if (len < want || (line && all.buf[all.len - 1] == '\n')) {
            break;
        }
    }
    return mp_obj_new_bytes_from_vstr(&all);
}

// A size argument: absent, None and -1 are no limit.
static size_t size_or_all(mp_obj_t arg) {
    if (arg == MP_OBJ_NULL || arg == mp_const_none) {
        return SIZE_MAX;
    }
    mp_int_t size = mp_obj_get_int(arg);
    if (size < -1) {
        mp_raise_ValueError(MP_ERROR_TEXT("negative size"));
    }
    return size < 0 ? SIZE_MAX : (size_t)size;
}

// read(size=-1)
static mp_obj_t socket_read(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    static const qstr names[] = { MP_QSTR_size };
    mp_obj_t args[1];
    usk_socket_t *self = usk_method(n_args, pos_args, kw_args, 0, 1, names, args);
    size_t size = size_or_all(args[0]);
    if (size == SIZE_MAX || size <= FIRST_PIECE) {
        return read_pieces(self, size, false);
    }
    raise_late(self);
    vstr_t all;
    vstr_init_len(&all, size);
    int64_t r = read_some(self, all.buf, size, false);
    if (r < 0) {
        vstr_clear(&all);
        return none_or_raise(self, r);
    }
    all.len = (size_t)r;
    return mp_obj_new_bytes_from_vstr(&all);
}
MP_DEFINE_CONST_FUN_OBJ_KW(usk_socket_read_obj, 1, socket_read);

// readall()
static mp_obj_t socket_readall(mp_obj_t self_in) {
    return read_pieces(usk_self(self_in), SIZE_MAX, false);
}
MP_DEFINE_CONST_FUN_OBJ_1(usk_socket_readall_obj, socket_readall);

// readline(size=-1)
static mp_obj_t socket_readline(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    static const qstr names[] = { MP_QSTR_size };
    mp_obj_t args[1];
    usk_socket_t *self = usk_method(n_args, pos_args, kw_args, 0, 1, names, args);
    return read_pieces(self, size_or_all(args[0]), true);
}
MP_DEFINE_CONST_FUN_OBJ_KW(usk_socket_readline_obj, 1, socket_readline);

// readinto(buf, nbytes=None)
static mp_obj_t socket_readinto(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    static const qstr names[] = { MP_QSTR_buf, MP_QSTR_nbytes };
    mp_obj_t args[2];
    usk_socket_t *self = usk_method(n_args, pos_args, kw_args, 1, 2, names, args);
    mp_buffer_info_t buf;
    mp_get_buffer_raise(args[0], &buf, MP_BUFFER_WRITE);
    if (args[1] != MP_OBJ_NULL && args[1] != mp_const_none) {
        mp_int_t n = mp_obj_get_int(args[1]);
        if (n < 0) {
            mp_raise_ValueError(MP_ERROR_TEXT("negative size"));
        }
        buf.len = MIN(buf.len, (size_t)n);
    }
    raise_late(self);
    int64_t r = read_some(self, buf.buf, buf.len, false);
    if (r < 0) {
        return none_or_raise(self, r);
    }
    return MP_OBJ_NEW_SMALL_INT(r);
}
MP_DEFINE_CONST_FUN_OBJ_KW(usk_socket_readinto_obj, 1, socket_readinto);

// write(buf), write(buf, length), write(buf, offset, length)
mp_obj_t usk_socket_write(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    static const qstr names[] = { MP_QSTR_buf, MP_QSTR_, MP_QSTR_ };
    mp_obj_t args[3];
    usk_socket_t *self = usk_method(n_args, pos_args, kw_args, 1, 3, names, args);
    mp_buffer_info_t buf;
    mp_get_buffer_raise(args[0], &buf, MP_BUFFER_READ);
    mp_obj_t offset_in = args[2] == MP_OBJ_NULL ? MP_OBJ_NULL : args[1];
    mp_obj_t length_in = args[2] == MP_OBJ_NULL ? args[1] : args[2];
    size_t offset = offset_in == MP_OBJ_NULL ? 0 : (size_t)mp_obj_get_int(offset_in);
    size_t length = length_in == MP_OBJ_NULL ? SIZE_MAX : (size_t)mp_obj_get_int(length_in);
    offset = MIN(offset, buf.len);
    length = MIN(length, buf.len - offset);
    int64_t r;
    USK_WAIT(r, usocket_write(self->s, (const byte *)buf.buf + offset, length));
    if (r < 0) {
        return none_or_raise(self, r);
    }
    return MP_OBJ_NEW_SMALL_INT(r);
}
MP_DEFINE_CONST_FUN_OBJ_KW(usk_socket_write_obj, 1, usk_socket_write);

// Whether it is "rb", "wb" or "rwb", with its letters in any order.
static bool is_binary(const char *mode) {
    size_t b = 0, r = 0, w = 0, len = strlen(mode);
    for (size_t i = 0; i < len; ++i) {
        b += mode[i] == 'b';
        r += mode[i] == 'r';
        w += mode[i] == 'w';
    }
    return b == 1 && r <= 1 && w <= 1 && r + w > 0 && b + r + w == len;
}

// makefile(mode='rb', buffering=0, *, encoding=None, errors=None, newline=None): the socket itself, which is a stream
// already.
static mp_obj_t socket_makefile(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    static const mp_arg_t allowed[] = {
        { MP_QSTR_mode, MP_ARG_OBJ, { .u_rom_obj = MP_ROM_QSTR(MP_QSTR_rb) } },
        { MP_QSTR_buffering, MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_encoding, MP_ARG_KW_ONLY | MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_errors, MP_ARG_KW_ONLY | MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_newline, MP_ARG_KW_ONLY | MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
    };
    mp_arg_val_t args[MP_ARRAY_SIZE(allowed)];
    mp_arg_parse_all(n_args - 1, pos_args + 1, kw_args, MP_ARRAY_SIZE(allowed), allowed, args);
    usk_socket_t *self = usk_self(pos_args[0]);
    if (!is_binary(mp_obj_str_get_str(args[0].u_obj))) {
        mp_raise_ValueError(MP_ERROR_TEXT("mode: rb, wb or rwb"));
    }
    for (size_t i = 2; i < MP_ARRAY_SIZE(allowed); ++i) {
        if (args[i].u_obj != mp_const_none) {
            mp_raise_ValueError(MP_ERROR_TEXT("encoding, errors, newline: the file is binary"));
        }
    }
    if (args[1].u_obj != mp_const_none) {
        (void)mp_obj_get_int(args[1].u_obj);
    }
    int32_t fd;
    USK_CALL(fd, usocket_fileno(self->s));
    usk_socket_check(self, fd);
    return pos_args[0];
}
MP_DEFINE_CONST_FUN_OBJ_KW(usk_socket_makefile_obj, 1, socket_makefile);
