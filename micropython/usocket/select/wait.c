// The wait of a poll object (wait.h).
//
// Streams without a descriptor must be asked repeatedly (MP_STREAM_POLL): the pause between two rounds is an eighth of
// the time already waited, so that long waits cost little and early events are seen early.

#include <poll.h>
#include <string.h>

#include "py/mphal.h"
#include "room.h"
#include "set.h"
#include "wait.h"

#define FIRST_PAUSE_MS (1)
#define LONGEST_PAUSE_MS (32)
#define UNASKED (POLLERR | POLLHUP | POLLNVAL)

// A wait's snapshot of the set: Python code that runs meanwhile may change the registrations.
typedef struct _snapshot_t {
    usk_set_t *set;
    usk_room_t *room;
    // Outside the poller: entries[0..n_waited] correspond to fds (after the poller, if there is one); the entries asked
    // by ioctl follow.
    size_t n_waited, n_asked;
    // The poller, or 0, and the number of its events for registered entries.
    usocket_t poller;
    size_t n_events;
} snapshot_t;

// ---- taking it ----

// Sorts the entries outside the poller: first those with descriptors, then those asked by ioctl. False when the buffers
// are too small.
static bool fill(snapshot_t *snap) {
    usk_set_t *set = snap->set;
    usk_room_t *room = snap->room;
    size_t front = 0, back = room->n;
    usk_call_t call;
    usk_set_lock(set, &call);
    bool enough = set->n_beside <= room->n && (set->poller == 0 || room->n_events > 0);
    snap->poller = set->poller;
    for (usk_entry_t *e = set->first; enough && e != NULL; e = e->next) {
        if (usk_entry_is_waited(e)) {
            room->entries[front++] = e;
            room->fds[front] = (usocket_pollfd) { .socket = e->s, .fd = e->fd, .events = (int16_t)e->events };
        } else {
            room->entries[--back] = e;
        }
    }
    usk_set_unlock(set, &call);
    snap->n_waited = front;
    snap->n_asked = room->n - back;
    if (snap->n_asked > 0) {
        memmove(room->entries + front, room->entries + back, snap->n_asked * sizeof(*room->entries));
    }
    return enough;
}

// ---- waiting ----

// The events of an entry after the poller has reported `event`; 0 if it is not registered any more.
static mp_uint_t take_event(usk_set_t *set, usk_entry_t *e, uint32_t event, uint32_t round) {
    bool known = e->round == round;
    if (event & POLLNVAL) {
        usk_set_closed(set, e);
    } else if (known) {
        return 0;
    }
    e->round = round;
    e->revents = e->obj == MP_OBJ_NULL ? 0 : event & (e->events | UNASKED);
    return known ? 0 : e->revents;
}

static size_t wait_poller(snapshot_t *snap, int64_t timeout_us) {
    usocket_event *events = snap->room->events;
    int32_t r;
    USK_WAIT(r, usocket_poller_wait(snap->poller, events, snap->room->n_events, timeout_us));
    size_t seen = (size_t)usk_check(r, 0);
    uint32_t round = ++snap->set->round;
    snap->n_events = 0;
    for (size_t i = 0; i < seen; ++i) {
        usocket_event event = events[i];
        if (take_event(snap->set, (usk_entry_t *)(uintptr_t)event.data, event.events, round) != 0) {
            events[i] = events[snap->n_events]; // which nobody wants, to the back
            events[snap->n_events++] = event;
        }
    }
    // Removed entries may be registered again soon, and cost nothing as long as they do not end a wait.
    bool awake = snap->n_events > 0 || timeout_us == 0;
    for (size_t i = snap->n_events; i < seen; ++i) {
        usk_entry_t *e = (usk_entry_t *)(uintptr_t)events[i].data;
        if (e->revents != 0) {
            continue; // the same again
        }
        if (awake && !e->ignored) {
            e->ignored = true;
        } else {
            usk_set_settle(snap->set, e);
        }
    }
    return snap->n_events;
}

// Waits for the entries outside the poller, and for the poller with `and_poller`; true when the poller is ready.
static bool wait_beside(snapshot_t *snap, bool and_poller, int64_t timeout_us, size_t *ready) {
    usocket_pollfd *fds = snap->room->fds;
    fds[0] = (usocket_pollfd) { .socket = snap->poller, .fd = -1, .events = POLLIN };
    int32_t r;
    USK_WAIT(r, usocket_poll(fds + !and_poller, snap->n_waited + and_poller, timeout_us));
    usk_check(r, 0);
    for (size_t i = 0; i < snap->n_waited; ++i) {
        usk_entry_t *e = snap->room->entries[i];
        e->revents = (uint16_t)fds[1 + i].revents;
        *ready += e->revents != 0;
    }
    return and_poller && fds[0].revents != 0;
}

// One wait; it may end early without events.
static size_t wait_once(snapshot_t *snap, int64_t timeout_us) {
    if (snap->poller == 0) {
        size_t ready = 0;
        wait_beside(snap, false, timeout_us, &ready);
        return ready;
    }
    if (snap->n_waited == 0) {
        return wait_poller(snap, timeout_us);
    }
    // A poller can be polled after a wait has handled its events.
    size_t ready = wait_poller(snap, 0);
    if (wait_beside(snap, ready == 0, ready == 0 ? timeout_us : 0, &ready)) {
        ready += wait_poller(snap, 0);
    }
    return ready;
}

static size_t ask_once(snapshot_t *snap) {
    size_t ready = 0;
    for (size_t i = snap->n_waited; i < snap->n_waited + snap->n_asked; ++i) {
        usk_entry_t *e = snap->room->entries[i];
        mp_obj_t obj = e->obj;
        e->revents = 0;
        if (obj == MP_OBJ_NULL) {
            continue; // taken out meanwhile
        }
        int errcode;
        mp_uint_t r = e->ioctl(obj, MP_STREAM_POLL, e->events, &errcode);
        if (r == MP_STREAM_ERROR) {
            mp_raise_OSError(errcode);
        }
        e->revents = r;
        ready += r != 0;
    }
    return ready;
}

// The length of the next sleep in milliseconds; negative for ever.
static mp_int_t pause_ms(const snapshot_t *snap, mp_int_t timeout_ms, mp_uint_t waited) {
    mp_int_t left = timeout_ms < 0 ? -1 : timeout_ms - (mp_int_t)waited;
    if (snap->n_asked == 0) {
        return left;
    }
    mp_int_t pause = (mp_int_t)(waited / 8);
    pause = MIN(MAX(pause, FIRST_PAUSE_MS), LONGEST_PAUSE_MS);
    return left < 0 ? pause : MIN(pause, left);
}

static size_t wait_all(snapshot_t *snap, mp_int_t timeout_ms) {
    // Most waits read no clock.
    bool clock = timeout_ms > 0 || snap->n_asked > 0;
    mp_uint_t start = clock ? mp_hal_ticks_ms() : 0;
    // Streams without a descriptor are asked before the first sleep.
    mp_int_t pause = snap->n_asked > 0 ? 0 : timeout_ms;
    for (;;) {
        size_t ready = wait_once(snap, pause < 0 ? -1 : (int64_t)pause * 1000);
        ready += ask_once(snap);
        if (ready > 0 || timeout_ms == 0) {
            return ready;
        }
        mp_uint_t waited = clock ? mp_hal_ticks_ms() - start : 0;
        if (timeout_ms > 0 && waited >= (mp_uint_t)timeout_ms) {
            return 0;
        }
        mp_handle_pending(true);
        pause = pause_ms(snap, timeout_ms, waited);
    }
}

// Lists the ready entries, in `found` or in the set's list.
static usk_found_t *list(const snapshot_t *snap, usk_found_t *found) {
    usk_call_t call;
    usk_set_lock(snap->set, &call); // other threads may go through the set's, or have it shrunk
    found = found != NULL ? found : snap->set->found;
    found->len = found->next = 0;
    for (size_t i = 0; i < snap->n_events && found->len < found->room; ++i) {
        found->entries[found->len++] = (usk_entry_t *)(uintptr_t)snap->room->events[i].data;
    }
    for (size_t i = 0; i < snap->n_waited + snap->n_asked && found->len < found->room; ++i) {
        usk_entry_t *e = snap->room->entries[i];
        if (e->revents != 0) {
            found->entries[found->len++] = e;
        }
    }
    usk_set_unlock(snap->set, &call);
    return found;
}

static usk_found_t *wait_in_room(snapshot_t *snap, mp_int_t timeout_ms, bool again) {
    while (!fill(snap)) {
        snap->room = usk_room_new(snap->set->n_beside, usk_set_n_events(snap->set, 0)); // another thread was here
    }
    size_t n = wait_all(snap, timeout_ms);
    if (n == 0) {
        return NULL;
    }
    return list(snap, again ? NULL : usk_found_new(n));
}

usk_entry_t *usk_set_next(usk_set_t *set, usk_found_t *found) {
    usk_call_t call;
    usk_set_lock(set, &call);
    usk_entry_t *e = found->next < found->len ? found->entries[found->next++] : NULL;
    usk_set_unlock(set, &call);
    return e;
}

usk_found_t *usk_set_wait(usk_set_t *set, mp_int_t timeout_ms, bool again) {
    mp_handle_pending(true);
    // (Only a signal can end a wait without events, as in stock MicroPython.)
    set->waits += 1;
    snapshot_t snap = { .set = set, .room = usk_set_take_room(set) };
    nlr_buf_t nlr;
    if (nlr_push(&nlr) == 0) {
        usk_found_t *found = wait_in_room(&snap, timeout_ms, again);
        nlr_pop();
        usk_set_give_room(set, snap.room);
        return found;
    }
    usk_set_give_room(set, snap.room);
    nlr_jump(nlr.ret_val);
}
