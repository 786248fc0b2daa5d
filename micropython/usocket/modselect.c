// The module select (and uselect): poll() over sockets, descriptors and other streams.
//
// Sockets of this module and descriptors are waited for together, in one wait of the library's.
// Streams without a descriptor can only be asked (MP_STREAM_POLL), again and again: the pause between
// two rounds grows with the time already waited, to an eighth of it, so that waiting long costs
// little and what happens soon is seen soon.

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "py/mphal.h"
#include "usk.h"

#define FLAG_ONESHOT (1)
#define FIRST_PAUSE_MS (1)
#define LONGEST_PAUSE_MS (32)
// Sets up to this size are waited for from the stack.
#define SMALL_SET (16)

// One registered object.
typedef struct _entry_t {
    mp_obj_t obj;
    // How it is asked: a handle of the library's, else a descriptor (>= 0), else ioctl.
    usocket_t s;
    int fd;
    mp_uint_t (*ioctl)(mp_obj_t obj, mp_uint_t request, uintptr_t arg, int *errcode);
    mp_uint_t events;
    mp_uint_t revents;
    bool registered;
} entry_t;

typedef struct _poll_t {
    mp_obj_base_t base;
    // mp_obj_id of the object -> entry_t *
    mp_map_t map;
    // The entries that the last ipoll() found ready, and how far the iteration is.
    entry_t **ready;
    size_t ready_len;
    size_t ready_next;
    bool oneshot;
    mp_obj_t tuple;
} poll_t;

// ---- registration ----

static void entry_init(entry_t *e, mp_obj_t obj) {
    e->obj = obj;
    e->s = 0;
    e->fd = -1;
    e->ioctl = NULL;
    e->revents = 0;
    e->registered = true;
    if (mp_obj_is_int(obj)) {
        e->fd = (int)mp_obj_get_int(obj);
        if (e->fd < 0) {
            mp_raise_ValueError(NULL);
        }
        return;
    }
    const mp_stream_p_t *stream = mp_get_stream_raise(obj, MP_STREAM_OP_IOCTL);
    e->ioctl = stream->ioctl;
    // A closed socket is one of the streams: its ioctl answers POLLNVAL.
    if (usk_handle_of(obj, &e->s)) {
        return;
    }
    int errcode;
    mp_uint_t fd = stream->ioctl(obj, MP_STREAM_GET_FILENO, 0, &errcode);
    if (fd != MP_STREAM_ERROR && (mp_int_t)fd >= 0) {
        e->fd = (int)fd;
    }
}

// register(obj[, eventmask])
static mp_obj_t poll_register(size_t n_args, const mp_obj_t *args) {
    poll_t *self = MP_OBJ_TO_PTR(args[0]);
    mp_uint_t events = n_args > 2 ? (mp_uint_t)mp_obj_get_int(args[2]) : MP_STREAM_POLL_RD | MP_STREAM_POLL_WR;
    mp_obj_t id = mp_obj_id(args[1]);
    mp_map_elem_t *elem = mp_map_lookup(&self->map, id, MP_MAP_LOOKUP);
    if (elem == NULL) {
        entry_t *e = m_new_obj(entry_t);
        entry_init(e, args[1]);
        elem = mp_map_lookup(&self->map, id, MP_MAP_LOOKUP_ADD_IF_NOT_FOUND);
        elem->value = MP_OBJ_FROM_PTR(e);
    }
    ((entry_t *)MP_OBJ_TO_PTR(elem->value))->events = events;
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(poll_register_obj, 2, 3, poll_register);

static mp_obj_t poll_unregister(mp_obj_t self_in, mp_obj_t obj) {
    poll_t *self = MP_OBJ_TO_PTR(self_in);
    mp_map_elem_t *elem = mp_map_lookup(&self->map, mp_obj_id(obj), MP_MAP_LOOKUP_REMOVE_IF_FOUND);
    if (elem != NULL) {
        ((entry_t *)MP_OBJ_TO_PTR(elem->value))->registered = false;
        elem->value = MP_OBJ_NULL;
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_2(poll_unregister_obj, poll_unregister);

static mp_obj_t poll_modify(mp_obj_t self_in, mp_obj_t obj, mp_obj_t events) {
    poll_t *self = MP_OBJ_TO_PTR(self_in);
    mp_map_elem_t *elem = mp_map_lookup(&self->map, mp_obj_id(obj), MP_MAP_LOOKUP);
    if (elem == NULL) {
        mp_raise_OSError(MP_ENOENT);
    }
    ((entry_t *)MP_OBJ_TO_PTR(elem->value))->events = (mp_uint_t)mp_obj_get_int(events);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_3(poll_modify_obj, poll_modify);

// ---- waiting ----

// The set as one wait sees it: Python code that runs meanwhile may change the registrations.
typedef struct _snapshot_t {
    size_t n_waited; // entries[0..n_waited] match fds
    size_t n_asked;  // and behind them, those that are asked by ioctl
    entry_t **entries;
    usocket_pollfd *fds;
} snapshot_t;

static bool is_waited(const entry_t *e) {
    return e->s != 0 || e->fd >= 0;
}

static void snapshot_fill(snapshot_t *set, mp_map_t *map) {
    size_t front = 0, back = set->n_waited + set->n_asked;
    for (size_t i = 0; i < map->alloc; ++i) {
        if (!mp_map_slot_is_filled(map, i)) {
            continue;
        }
        entry_t *e = MP_OBJ_TO_PTR(map->table[i].value);
        if (is_waited(e)) {
            set->fds[front] = (usocket_pollfd) { .socket = e->s, .fd = e->fd, .events = (int16_t)e->events };
            set->entries[front++] = e;
        } else {
            set->entries[--back] = e;
        }
    }
}

static size_t wait_once(snapshot_t *set, int64_t timeout_us) {
    int32_t r;
    USK_WAIT(r, usocket_poll(set->fds, set->n_waited, timeout_us));
    usk_check(r, 0);
    for (size_t i = 0; i < set->n_waited; ++i) {
        set->entries[i]->revents = (uint16_t)set->fds[i].revents;
    }
    return (size_t)r;
}

static size_t ask_once(snapshot_t *set) {
    size_t ready = 0;
    for (size_t i = set->n_waited; i < set->n_waited + set->n_asked; ++i) {
        entry_t *e = set->entries[i];
        int errcode;
        mp_uint_t r = e->ioctl(e->obj, MP_STREAM_POLL, e->events, &errcode);
        if (r == MP_STREAM_ERROR) {
            mp_raise_OSError(errcode);
        }
        e->revents = r;
        ready += r != 0;
    }
    return ready;
}

// Waits until something is ready, or `timeout_ms`, negative for ever.
static size_t snapshot_wait(snapshot_t *set, mp_int_t timeout_ms) {
    if (set->n_asked == 0) {
        return wait_once(set, timeout_ms < 0 ? -1 : (int64_t)timeout_ms * 1000);
    }
    mp_uint_t start = mp_hal_ticks_ms();
    int64_t pause_ms = 0;
    for (;;) {
        size_t ready = wait_once(set, pause_ms * 1000);
        ready += ask_once(set);
        mp_uint_t waited = mp_hal_ticks_ms() - start;
        if (ready > 0 || (timeout_ms >= 0 && waited >= (mp_uint_t)timeout_ms)) {
            return ready;
        }
        pause_ms = (int64_t)(waited / 8);
        pause_ms = MIN(MAX(pause_ms, FIRST_PAUSE_MS), LONGEST_PAUSE_MS);
        if (timeout_ms >= 0) {
            pause_ms = MIN(pause_ms, (int64_t)((mp_uint_t)timeout_ms - waited));
        }
        mp_handle_pending(true);
    }
}

// The entries with events, as an array of `*len`; NULL for none.
static entry_t **poll_set(poll_t *self, size_t n_args, const mp_obj_t *args, size_t *len) {
    mp_int_t timeout_ms = -1;
    if (n_args > 1 && args[1] != mp_const_none) {
        timeout_ms = mp_obj_get_int(args[1]);
    }
    mp_handle_pending(true);
    // (An eventless wait can be ended by a signal only, as stock's.)
    snapshot_t set = { 0 };
    for (size_t i = 0; i < self->map.alloc; ++i) {
        if (mp_map_slot_is_filled(&self->map, i)) {
            bool waited = is_waited(MP_OBJ_TO_PTR(self->map.table[i].value));
            set.n_waited += waited;
            set.n_asked += !waited;
        }
    }
    size_t n = set.n_waited + set.n_asked;
    entry_t *few_entries[SMALL_SET];
    usocket_pollfd few_fds[SMALL_SET];
    set.entries = n <= SMALL_SET ? few_entries : m_new(entry_t *, n);
    set.fds = n <= SMALL_SET ? few_fds : m_new(usocket_pollfd, n);
    snapshot_fill(&set, &self->map);
    *len = 0;
    entry_t **ready = NULL;
    size_t n_ready = snapshot_wait(&set, timeout_ms);
    if (n_ready > 0) {
        ready = m_new(entry_t *, n_ready);
        for (size_t i = 0; i < n && *len < n_ready; ++i) {
            if (set.entries[i]->revents != 0) {
                ready[(*len)++] = set.entries[i];
            }
        }
    }
    if (n > SMALL_SET) {
        m_del(entry_t *, set.entries, n);
        m_del(usocket_pollfd, set.fds, n);
    }
    return ready;
}

// poll([timeout_ms])
static mp_obj_t poll_poll(size_t n_args, const mp_obj_t *args) {
    size_t len;
    entry_t **ready = poll_set(MP_OBJ_TO_PTR(args[0]), n_args, args, &len);
    mp_obj_list_t *list = MP_OBJ_TO_PTR(mp_obj_new_list(len, NULL));
    for (size_t i = 0; i < len; ++i) {
        mp_obj_t items[2] = { ready[i]->obj, mp_obj_new_int_from_uint(ready[i]->revents) };
        list->items[i] = mp_obj_new_tuple(2, items);
    }
    return MP_OBJ_FROM_PTR(list);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(poll_poll_obj, 1, 2, poll_poll);

// ipoll([timeout_ms[, flags]]): an iterator that gives the same tuple each time.
static mp_obj_t poll_ipoll(size_t n_args, const mp_obj_t *args) {
    poll_t *self = MP_OBJ_TO_PTR(args[0]);
    if (self->tuple == MP_OBJ_NULL) {
        self->tuple = mp_obj_new_tuple(2, NULL);
    }
    int flags = n_args > 2 ? (int)mp_obj_get_int(args[2]) : 0;
    self->ready_len = 0;
    size_t len;
    self->ready = poll_set(self, n_args, args, &len);
    self->ready_len = len;
    self->ready_next = 0;
    self->oneshot = (flags & FLAG_ONESHOT) != 0;
    return args[0];
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(poll_ipoll_obj, 1, 3, poll_ipoll);

static mp_obj_t poll_iternext(mp_obj_t self_in) {
    poll_t *self = MP_OBJ_TO_PTR(self_in);
    while (self->ready_next < self->ready_len) {
        entry_t *e = self->ready[self->ready_next++];
        if (!e->registered) {
            continue; // taken out since
        }
        if (self->oneshot) {
            e->events = 0;
        }
        mp_obj_tuple_t *tuple = MP_OBJ_TO_PTR(self->tuple);
        tuple->items[0] = e->obj;
        tuple->items[1] = mp_obj_new_int_from_uint(e->revents);
        return self->tuple;
    }
    self->ready = NULL;
    self->ready_len = 0;
    return MP_OBJ_STOP_ITERATION;
}

static const mp_rom_map_elem_t poll_locals_table[] = {
    { MP_ROM_QSTR(MP_QSTR_register), MP_ROM_PTR(&poll_register_obj) },
    { MP_ROM_QSTR(MP_QSTR_unregister), MP_ROM_PTR(&poll_unregister_obj) },
    { MP_ROM_QSTR(MP_QSTR_modify), MP_ROM_PTR(&poll_modify_obj) },
    { MP_ROM_QSTR(MP_QSTR_poll), MP_ROM_PTR(&poll_poll_obj) },
    { MP_ROM_QSTR(MP_QSTR_ipoll), MP_ROM_PTR(&poll_ipoll_obj) },
};
static MP_DEFINE_CONST_DICT(poll_locals, poll_locals_table);

static MP_DEFINE_CONST_OBJ_TYPE(
    poll_type,
    MP_QSTR_poll,
    MP_TYPE_FLAG_ITER_IS_ITERNEXT,
    iter, poll_iternext,
    locals_dict, &poll_locals
    );

// poll()
static mp_obj_t mod_poll(void) {
    usk_init();
    poll_t *self = mp_obj_malloc(poll_t, &poll_type);
    mp_map_init(&self->map, 0);
    self->ready = NULL;
    self->ready_len = self->ready_next = 0;
    self->oneshot = false;
    self->tuple = MP_OBJ_NULL;
    return MP_OBJ_FROM_PTR(self);
}
static MP_DEFINE_CONST_FUN_OBJ_0(mod_poll_obj, mod_poll);

static const mp_rom_map_elem_t globals_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_select) },
    { MP_ROM_QSTR(MP_QSTR_poll), MP_ROM_PTR(&mod_poll_obj) },
    { MP_ROM_QSTR(MP_QSTR_POLLIN), MP_ROM_INT(POLLIN) },
    { MP_ROM_QSTR(MP_QSTR_POLLPRI), MP_ROM_INT(POLLPRI) },
    { MP_ROM_QSTR(MP_QSTR_POLLOUT), MP_ROM_INT(POLLOUT) },
    { MP_ROM_QSTR(MP_QSTR_POLLERR), MP_ROM_INT(POLLERR) },
    { MP_ROM_QSTR(MP_QSTR_POLLHUP), MP_ROM_INT(POLLHUP) },
    { MP_ROM_QSTR(MP_QSTR_POLLNVAL), MP_ROM_INT(POLLNVAL) },
};
static MP_DEFINE_CONST_DICT(globals, globals_table);

const mp_obj_module_t usk_module_select = {
    .base = { &mp_type_module },
    .globals = (mp_obj_dict_t *)&globals,
};

MP_REGISTER_EXTENSIBLE_MODULE(MP_QSTR_select, usk_module_select);
