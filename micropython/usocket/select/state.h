// The state of a poll object: its entries, its buffers and its lock.
#ifndef USK_SELECT_STATE_H
#define USK_SELECT_STATE_H

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

// Lock and unlock the lists. Code between must not raise or allocate: without a GIL, another thread may register while
// one waits.
static inline void usk_set_lock(usk_set_t *set, usk_call_t *call) {
    // As in a library call: Ctrl-C must not longjmp out of here.
    usk_enter(call, false);
    #if USK_SET_LOCKED
    mp_thread_mutex_lock(&set->mutex, 1);
    #else
    (void)set;
    #endif
}

static inline void usk_set_unlock(usk_set_t *set, usk_call_t *call) {
    #if USK_SET_LOCKED
    mp_thread_mutex_unlock(&set->mutex);
    #else
    (void)set;
    #endif
    usk_leave(call, 0);
}

static inline bool usk_entry_is_waited(const usk_entry_t *e) {
    return e->s != 0 || e->fd >= 0;
}

#endif
