// The set of a poll object: the registered objects, and how to wait for each.
#ifndef USK_SELECT_SET_H
#define USK_SELECT_SET_H

#include "../socket/object.h"

// Whether threads run MicroPython at the same time.
#define USK_SET_LOCKED (MICROPY_PY_THREAD && !MICROPY_PY_THREAD_GIL)

// The maximum number of entries for poll(2).
#define USK_SMALL_SET (16)

// An object that is registered, or was recently.
typedef struct _usk_entry_t {
    // MP_OBJ_NULL when removed.
    mp_obj_t obj;
    // How to poll it: a handle of the library, else a descriptor (>= 0), else ioctl.
    usocket_t s;
    int fd;
    mp_uint_t (*ioctl)(mp_obj_t obj, mp_uint_t request, uintptr_t arg, int *errcode);
    mp_uint_t events;
    // The events of the last wait.
    mp_uint_t revents;
    // The events registered with the poller; 0 when it is not registered there.
    uint32_t armed;
    // The poller's wait that last reported it.
    uint32_t round;
    // The number of the wait after its removal.
    uint32_t out_since;
    // It was reported once since its removal.
    bool ignored;
    // In the list of entries outside the poller.
    bool beside;
    struct _usk_entry_t *next, *prev;
    // The entry it replaced in the map, while the poller still has that.
    struct _usk_entry_t *former;
} usk_entry_t;

// The buffers of a wait. They are allocated at registration: a wait allocates nothing.
typedef struct _usk_room_t {
    // The number of entries; fds has one more, for the poller.
    size_t n;
    usk_entry_t **entries;
    usocket_pollfd *fds;
    // The poller's events.
    size_t n_events;
    usocket_event *events;
} usk_room_t;

// The results of a wait, and the position of the iterator.
typedef struct _usk_found_t {
    size_t room, len, next;
    usk_entry_t *entries[];
} usk_found_t;

// Small sets use poll(2), which needs no setup; a set with more sockets gets a poller, so that the cost of a wait
// depends on the ready ones. Other descriptors, and streams that can only be asked by ioctl, are always outside the
// poller: it would not notice that they were closed.
//
// Changes reach the poller as late as possible. A removed socket stays registered there until it wakes a wait in vain:
// asyncio registers the same sockets again and again.
//
// Every entry in the poller or the list is also in the map, directly or as a predecessor: the collector needs a
// reference that does not move while another thread waits.
typedef struct _usk_set_t {
    // key_of the object -> usk_entry_t *, including removed ones until they are swept.
    mp_map_t map;
    size_t n_registered;
    // The number of waits; and the wait before which the last sweep was.
    uint32_t waits, swept;
    // Both large enough for the next wait; NULL while a wait uses them.
    usk_room_t *room;
    usk_found_t *found;
    // The poller; 0 until there are `limit` sockets outside it.
    usocket_t poller;
    size_t limit;
    size_t sockets_beside;
    size_t n_inside;
    // The entries outside it, in the order of registration.
    usk_entry_t *first, *last;
    size_t n_beside;
    // Counts the waits of the poller.
    uint32_t round;
    #if USK_SET_LOCKED
    mp_thread_mutex_t mutex;
    #endif
} usk_set_t;

void usk_set_init(usk_set_t *set);
void usk_set_deinit(usk_set_t *set);
// Registers `obj`, or changes its events.
void usk_set_register(usk_set_t *set, mp_obj_t obj, mp_uint_t events);
// False when it is not registered.
bool usk_set_modify(usk_set_t *set, mp_obj_t obj, mp_uint_t events);
void usk_set_unregister(usk_set_t *set, mp_obj_t obj);
// Updates the poller for an entry that it reported in vain.
void usk_set_settle(usk_set_t *set, usk_entry_t *e);
// Called when the poller has reported that the socket is closed, and dropped it.
void usk_set_closed(usk_set_t *set, usk_entry_t *e);

// Waits until something is ready, or `timeout_ms`, negative for ever. The results are in `set->found` with `again`,
// without an allocation, else in a new list; NULL for none (wait.c).
usk_found_t *usk_set_wait(usk_set_t *set, mp_int_t timeout_ms, bool again);
// The next result; NULL at the end.
usk_entry_t *usk_set_next(usk_set_t *set, usk_found_t *found);

// Buffers for a wait of at least this many entries (room.c).
usk_room_t *usk_room_new(size_t n, size_t n_events);
usk_found_t *usk_found_new(size_t n);
// The maximum number of the poller's events after adding `more` sockets; 0 without a poller.
size_t usk_set_n_events(const usk_set_t *set, size_t more);
// Called before a registration: allocates buffers for the set and one more entry.
void usk_set_reserve(usk_set_t *set);
// Take the buffers for a wait, and return them.
usk_room_t *usk_set_take_room(usk_set_t *set);
void usk_set_give_room(usk_set_t *set, usk_room_t *room);
// Frees memory of a set that was much larger before.
void usk_set_shrink(usk_set_t *set);

// Lock and unlock the lists. Code between must not raise or allocate: without a GIL, another thread may register while
// one waits.
void usk_set_lock(usk_set_t *set, usk_call_t *call);
void usk_set_unlock(usk_set_t *set, usk_call_t *call);

static inline bool usk_entry_is_waited(const usk_entry_t *e) {
    return e->s != 0 || e->fd >= 0;
}

#endif
