// What a poll object holds: the registered objects, and how each of them is waited for.
#ifndef USK_SELECT_SET_H
#define USK_SELECT_SET_H

#include "../socket/object.h"

// Whether threads run MicroPython at the same time.
#define USK_SET_LOCKED (MICROPY_PY_THREAD && !MICROPY_PY_THREAD_GIL)

// How many entries are waited for with poll(2).
#define USK_SMALL_SET (16)

// One object, registered or not long ago.
typedef struct _usk_entry_t {
    // MP_OBJ_NULL when it was taken out.
    mp_obj_t obj;
    // How it is asked: a handle of the library's, else a descriptor (>= 0), else ioctl.
    usocket_t s;
    int fd;
    mp_uint_t (*ioctl)(mp_obj_t obj, mp_uint_t request, uintptr_t arg, int *errcode);
    mp_uint_t events;
    // What the last wait found.
    mp_uint_t revents;
    // What the poller has been asked for; 0 when it is not in there.
    uint32_t armed;
    // The wait of the poller that last reported it.
    uint32_t round;
    // The wait it was taken out before.
    uint32_t out_since;
    // It was reported once since nobody wants to know.
    bool ignored;
    // In the list of those beside the poller.
    bool beside;
    struct _usk_entry_t *next, *prev;
    // What had this one's place in the map before, while the poller knows it.
    struct _usk_entry_t *former;
} usk_entry_t;

// What one wait writes into. It is made when something is registered: a wait asks for no memory.
typedef struct _usk_room_t {
    // Of entries; fds has one more, for the poller.
    size_t n;
    usk_entry_t **entries;
    usocket_pollfd *fds;
    // What the poller may report.
    size_t n_events;
    usocket_event *events;
} usk_room_t;

// What a wait found, and how far somebody has gone through it.
typedef struct _usk_found_t {
    size_t room, len, next;
    usk_entry_t *entries[];
} usk_found_t;

// Small sets are waited for with poll(2), which needs nothing set up; a set with more sockets gets a
// poller, so that a wait costs what is ready. Descriptors of others, and streams that can only be
// asked, are always beside the poller: nobody would tell it that they were closed.
//
// The poller is told as late as possible. A socket that is taken out stays in there, and is really
// taken out when it wakes somebody for nothing: asyncio registers the same sockets again and again.
//
// Every entry that the poller or the list knows is in the map as well, itself or as a former one: the
// collector needs a way to it that does not move while another thread waits.
typedef struct _usk_set_t {
    // mp_obj_id of the object -> usk_entry_t *, of those taken out as well, until they are swept.
    mp_map_t map;
    size_t n_registered;
    // Counts the waits; and before which of them was last swept.
    uint32_t waits, swept;
    // Both big enough for the next wait; without the room while a wait has it.
    usk_room_t *room;
    usk_found_t *found;
    // The poller, 0 until there are `limit` sockets beside it.
    usocket_t poller;
    size_t limit;
    size_t sockets_beside;
    size_t n_inside;
    // Those beside it, in the order in which they were registered.
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
// Makes the poller agree with an entry that it reports for nothing.
void usk_set_settle(usk_set_t *set, usk_entry_t *e);
// The poller has reported that the socket is closed, and knows it no longer.
void usk_set_closed(usk_set_t *set, usk_entry_t *e);

// Waits until something is ready, or `timeout_ms`, negative for ever. What it found is in `set->found` with
// `again`, which needs no memory, else in a list of its own; NULL for nothing (wait.c).
usk_found_t *usk_set_wait(usk_set_t *set, mp_int_t timeout_ms, bool again);
// The next of what was found; NULL at the end.
usk_entry_t *usk_set_next(usk_set_t *set, usk_found_t *found);

// Room for a wait (room.c): of at least so many.
usk_room_t *usk_room_new(size_t n, size_t n_events);
usk_found_t *usk_found_new(size_t n);
// How many events the poller may have to report when `more` sockets have come; 0 without a poller.
size_t usk_set_n_events(const usk_set_t *set, size_t more);
// Before something is registered: room for what is in the set, and for one more.
void usk_set_reserve(usk_set_t *set);
// Takes the room for a wait, and gives it back.
usk_room_t *usk_set_take_room(usk_set_t *set);
void usk_set_give_room(usk_set_t *set, usk_room_t *room);
// Gives back what a set needs no longer that was much bigger.
void usk_set_shrink(usk_set_t *set);

// Around every use of the lists. Nothing within may raise or ask for memory: without a GIL, another
// thread may register while one waits.
void usk_set_lock(usk_set_t *set, usk_call_t *call);
void usk_set_unlock(usk_set_t *set, usk_call_t *call);

static inline bool usk_entry_is_waited(const usk_entry_t *e) {
    return e->s != 0 || e->fd >= 0;
}

#endif
