// The registrations of a poll object and of its poller (set.h).

#include <errno.h>
#include <poll.h>

#include "room.h"
#include "set.h"

#ifndef POLLRDHUP
#define POLLRDHUP 0
#endif
// The events that a poller accepts; others never occur.
#define KNOWN_EVENTS (POLLIN | POLLPRI | POLLOUT | POLLRDNORM | POLLRDBAND | POLLWRNORM | POLLWRBAND | POLLRDHUP)

void usk_set_init(usk_set_t *set) {
    set->poller = 0; // first: what follows may raise, and the collector asks
    mp_map_init(&set->map, 0);
    set->n_registered = 0;
    set->waits = set->swept = 0;
    set->room = usk_room_new(0, 0);
    set->found = usk_found_new(0);
    set->limit = USK_SMALL_SET;
    set->sockets_beside = set->n_inside = set->n_beside = 0;
    set->first = set->last = NULL;
    set->round = 0;
    #if USK_SET_LOCKED
    mp_thread_mutex_init(&set->mutex);
    #endif
}

void usk_set_deinit(usk_set_t *set) {
    if (set->poller != 0) {
        usk_close(set->poller);
        set->poller = 0;
    }
}

// ---- the list ----

static void leave_list(usk_set_t *set, usk_entry_t *e) {
    if (e->beside) {
        *(e->prev != NULL ? &e->prev->next : &set->first) = e->next;
        *(e->next != NULL ? &e->next->prev : &set->last) = e->prev;
        e->beside = false;
        set->n_beside -= 1;
        set->sockets_beside -= e->s != 0;
    }
}

static void join_list(usk_set_t *set, usk_entry_t *e) {
    if (!e->beside) {
        e->next = NULL;
        e->prev = set->last;
        *(e->prev != NULL ? &e->prev->next : &set->first) = e;
        set->last = e;
        e->beside = true;
        set->n_beside += 1;
        set->sockets_beside += e->s != 0;
    }
}

// ---- the poller ----

// Registers the entry's events with the poller; false when the poller refuses.
static bool arm(usk_set_t *set, usk_entry_t *e) {
    // A mask of POLLERR requests only events that are always reported; POLLNVAL requests the report of a close.
    uint32_t mask = ((uint32_t)e->events & KNOWN_EVENTS) | POLLERR | POLLNVAL;
    int32_t r = 0;
    if (e->armed == 0) {
        USK_CALL(r, usocket_poller_add(set->poller, e->s, mask, (uintptr_t)e));
    } else if (e->armed != mask) {
        USK_CALL(r, usocket_poller_modify(set->poller, e->s, mask, (uintptr_t)e));
    }
    // If it was registered and is closed, the poller is about to report it.
    if (r < 0 && e->armed == 0) {
        return false;
    }
    set->n_inside += e->armed == 0;
    e->armed = mask;
    e->ignored = false;
    leave_list(set, e);
    return true;
}

// The poller has dropped it.
static void forget(usk_set_t *set, usk_entry_t *e) {
    set->n_inside -= e->armed != 0;
    e->armed = 0;
}

static void disarm(usk_set_t *set, usk_entry_t *e) {
    int32_t r;
    USK_CALL(r, usocket_poller_remove(set->poller, e->s));
    // If it is closed, the poller is about to report it.
    if (r != -EBADF) {
        forget(set, e);
    }
}

// The set is too large for poll(2): its sockets move into a poller. If there is no descriptor for one, poll(2) goes on,
// and the next try is at twice the size.
static void outgrown(usk_set_t *set) {
    usocket_t poller;
    USK_CALL(poller, usocket_poller_create());
    if (poller < 0) {
        set->limit *= 2;
        return;
    }
    set->poller = poller;
    for (usk_entry_t *e = set->first, *next; e != NULL; e = next) {
        next = e->next;
        if (e->s != 0) {
            arm(set, e);
        }
    }
}

void usk_set_settle(usk_set_t *set, usk_entry_t *e) {
    usk_call_t call;
    usk_set_lock(set, &call);
    if (e->armed == 0) {
        // Another thread was here first.
    } else if (e->obj == MP_OBJ_NULL) {
        disarm(set, e);
    } else {
        arm(set, e);
    }
    usk_set_unlock(set, &call);
}

void usk_set_closed(usk_set_t *set, usk_entry_t *e) {
    usk_call_t call;
    usk_set_lock(set, &call);
    forget(set, e);
    if (e->obj != MP_OBJ_NULL) {
        join_list(set, e); // and usocket_poll goes on saying POLLNVAL
    }
    usk_set_unlock(set, &call);
}

// ---- registration ----

// Determines how to wait for `obj`, which is not registered yet.
static usk_entry_t entry_for(mp_obj_t obj) {
    usk_entry_t e = { .obj = MP_OBJ_NULL, .fd = -1 };
    if (mp_obj_is_int(obj)) {
        e.fd = (int)mp_obj_get_int(obj);
        if (e.fd < 0) {
            mp_raise_ValueError(NULL);
        }
        return e;
    }
    // A closed socket counts as a stream: its ioctl returns POLLNVAL.
    if (usk_handle_of(obj, &e.s)) {
        e.ioctl = usk_socket_stream_p.ioctl;
        return e;
    }
    const mp_stream_p_t *stream = mp_get_stream_raise(obj, MP_STREAM_OP_IOCTL);
    e.ioctl = stream->ioctl;
    int errcode;
    mp_uint_t fd = stream->ioctl(obj, MP_STREAM_GET_FILENO, 0, &errcode);
    if (fd != MP_STREAM_ERROR && (mp_int_t)fd >= 0) {
        e.fd = (int)fd;
    }
    return e;
}

// The key of an object in the map: a number without an allocation, as its address is where small integers
// have 31 bits. A descriptor is its own key; the others are below zero.
static mp_obj_t key_of(mp_obj_t obj) {
    return mp_obj_is_small_int(obj) ? obj : MP_OBJ_NEW_SMALL_INT(-(mp_int_t)((uintptr_t)obj >> 2) - 1);
}

static usk_entry_t *find(usk_set_t *set, mp_obj_t obj) {
    mp_map_elem_t *elem = mp_map_lookup(&set->map, key_of(obj), MP_MAP_LOOKUP);
    return elem != NULL ? MP_OBJ_TO_PTR(elem->value) : NULL;
}

static bool is_registered(const usk_entry_t *e) {
    return e != NULL && e->obj != MP_OBJ_NULL;
}

// Whether nothing needs it any more, nor its predecessor in the map.
static bool is_done(usk_entry_t *e) {
    while (e->former != NULL && e->former->armed == 0) {
        e->former = e->former->former;
    }
    return e->obj == MP_OBJ_NULL && e->armed == 0 && e->former == NULL;
}

// Frees removed entries when they outnumber the others. Those registered during one of the last two waits are kept:
// they may be registered again.
static void sweep(usk_set_t *set) {
    size_t out = set->map.used - set->n_registered;
    if (out <= set->n_registered + USK_SMALL_SET || set->swept == set->waits) {
        return;
    }
    set->swept = set->waits;
    usk_call_t call;
    usk_set_lock(set, &call);
    for (size_t i = 0; i < set->map.alloc; ++i) {
        if (!mp_map_slot_is_filled(&set->map, i)) {
            continue;
        }
        usk_entry_t *e = MP_OBJ_TO_PTR(set->map.table[i].value);
        if (e->obj != MP_OBJ_NULL || set->waits - e->out_since < 2) {
            continue;
        }
        if (e->armed != 0) {
            disarm(set, e);
        }
        if (is_done(e)) {
            mp_map_lookup(&set->map, set->map.table[i].key, MP_MAP_LOOKUP_REMOVE_IF_FOUND);
        }
    }
    usk_set_unlock(set, &call);
    usk_set_shrink(set);
}

// An entry for an unregistered `obj`: the old one, if it was registered before.
static usk_entry_t *entry_of(usk_set_t *set, mp_obj_t obj) {
    usk_entry_t now = entry_for(obj);
    usk_entry_t *e = find(set, obj);
    if (e != NULL && e->armed != 0 && e->s == now.s) {
        return e;
    }
    if (e != NULL && e->armed == 0) {
        now.former = e->former;
    } else {
        // (An armed entry belongs to an earlier object at the same address.)
        now.former = e;
        sweep(set);
        e = m_new_obj(usk_entry_t);
        mp_map_lookup(&set->map, key_of(obj), MP_MAP_LOOKUP_ADD_IF_NOT_FOUND)->value = MP_OBJ_FROM_PTR(e);
    }
    *e = now;
    return e;
}

void usk_set_register(usk_set_t *set, mp_obj_t obj, mp_uint_t events) {
    if (usk_set_modify(set, obj, events)) {
        return;
    }
    usk_set_reserve(set);
    usk_entry_t *e = entry_of(set, obj);
    usk_call_t call;
    usk_set_lock(set, &call);
    e->obj = obj;
    set->n_registered += 1;
    e->events = events;
    e->revents = 0;
    if (e->s == 0 || set->poller == 0 || !arm(set, e)) {
        join_list(set, e);
    }
    if (set->poller == 0 && set->sockets_beside > set->limit) {
        outgrown(set);
    }
    usk_set_unlock(set, &call);
}

bool usk_set_modify(usk_set_t *set, mp_obj_t obj, mp_uint_t events) {
    usk_entry_t *e = find(set, obj);
    if (!is_registered(e)) {
        return false;
    }
    usk_call_t call;
    usk_set_lock(set, &call);
    e->events = events;
    if (e->armed != 0) {
        arm(set, e);
    }
    usk_set_unlock(set, &call);
    return true;
}

void usk_set_unregister(usk_set_t *set, mp_obj_t obj) {
    usk_entry_t *e = find(set, obj);
    if (!is_registered(e)) {
        return;
    }
    usk_call_t call;
    usk_set_lock(set, &call);
    e->obj = MP_OBJ_NULL;
    e->out_since = set->waits;
    set->n_registered -= 1;
    leave_list(set, e);
    usk_set_unlock(set, &call);
    sweep(set);
}
