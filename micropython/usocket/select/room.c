// The buffers for the waits of a poll object (room.h).

#include <string.h>

#include "room.h"

#define LEAST (4)

usk_room_t *usk_room_new(size_t n, size_t n_events) {
    usk_room_t *room = m_new_obj(usk_room_t);
    room->n = MAX(n, LEAST);
    room->entries = m_new(usk_entry_t *, room->n);
    room->fds = m_new(usocket_pollfd, 1 + room->n);
    room->n_events = n_events;
    room->events = n_events > 0 ? m_new(usocket_event, n_events) : NULL;
    return room;
}

usk_found_t *usk_found_new(size_t n) {
    n = MAX(n, LEAST);
    usk_found_t *found = m_new_obj_var(usk_found_t, entries, usk_entry_t *, n);
    found->room = n;
    found->len = found->next = 0;
    return found;
}

size_t usk_set_n_events(const usk_set_t *set, size_t more) {
    bool poller = set->poller != 0 || set->sockets_beside + more > set->limit;
    return poller ? set->n_inside + set->sockets_beside + more + LEAST : 0;
}

void usk_set_reserve(usk_set_t *set) {
    size_t n = set->n_beside + 1, n_events = usk_set_n_events(set, 1);
    usk_room_t *room = set->room;
    if (room == NULL || room->n < n || room->n_events < n_events) {
        n = room == NULL || room->n < n ? 2 * n : room->n;
        n_events = room == NULL || room->n_events < n_events ? 2 * n_events : room->n_events;
        set->room = usk_room_new(n, n_events);
    }
    n = set->n_registered + 1;
    if (set->found->room < n) {
        set->found = usk_found_new(2 * n);
    }
}

// Takes the buffers; NULL while a wait uses them.
static usk_room_t *take(usk_set_t *set) {
    usk_call_t call;
    usk_set_lock(set, &call);
    usk_room_t *room = set->room;
    set->room = NULL;
    usk_set_unlock(set, &call);
    return room;
}

usk_room_t *usk_set_take_room(usk_set_t *set) {
    usk_room_t *room = take(set);
    size_t n_events = usk_set_n_events(set, 0);
    // Another wait may use it; and closed sockets have left the poller.
    if (room == NULL || room->n < set->n_beside || room->n_events < n_events) {
        room = usk_room_new(set->n_beside, n_events);
    }
    return room;
}

void usk_set_give_room(usk_set_t *set, usk_room_t *room) {
    usk_call_t call;
    usk_set_lock(set, &call);
    if (set->room == NULL || (set->room->n <= room->n && set->room->n_events <= room->n_events)) {
        set->room = room;
    }
    usk_set_unlock(set, &call);
}

// Shrinks the map.
static void shrink_map(mp_map_t *map) {
    size_t n = map->used + map->used / 2 + LEAST;
    mp_map_elem_t *table = map->alloc > 2 * n ? m_new_maybe(mp_map_elem_t, n) : NULL;
    if (table == NULL) {
        return;
    }
    memset(table, 0, n * sizeof(*table));
    mp_map_t smaller;
    mp_map_init(&smaller, 0);
    smaller.alloc = n;
    smaller.table = table;
    for (size_t i = 0; i < map->alloc; ++i) {
        if (mp_map_slot_is_filled(map, i)) {
            mp_map_lookup(&smaller, map->table[i].key, MP_MAP_LOOKUP_ADD_IF_NOT_FOUND)->value = map->table[i].value;
        }
    }
    *map = smaller;
}

// Shrinking does not move a block, and has no effect while the heap is locked. The remaining unused part is cleared,
// because the collector would take it for references.

static void shrink_room(const usk_set_t *set, usk_room_t *room) {
    size_t n = set->n_beside + LEAST, n_events = usk_set_n_events(set, LEAST);
    if (room->n > 2 * n) {
        (void)m_renew_maybe(usk_entry_t *, room->entries, room->n, n, false);
        (void)m_renew_maybe(usocket_pollfd, room->fds, 1 + room->n, 1 + n, false);
        room->n = n;
    }
    memset(room->entries, 0, room->n * sizeof(*room->entries));
    if (n_events > 0 && room->n_events > 2 * n_events) {
        (void)m_renew_maybe(usocket_event, room->events, room->n_events, n_events, false);
        room->n_events = n_events;
    }
    if (room->n_events > 0) {
        memset(room->events, 0, room->n_events * sizeof(*room->events));
    }
}

static void shrink_found(usk_found_t *found, size_t n) {
    bool idle = found->next >= found->len; // else somebody goes through it
    if (idle && found->room > 2 * n) {
        (void)m_renew_maybe(byte, (byte *)found, sizeof(*found) + found->room * sizeof(*found->entries),
            sizeof(*found) + n * sizeof(*found->entries), false);
        found->room = n;
    }
    size_t used = idle ? 0 : found->len;
    memset(found->entries + used, 0, (found->room - used) * sizeof(*found->entries));
}

void usk_set_shrink(usk_set_t *set) {
    shrink_map(&set->map);
    usk_call_t call;
    usk_set_lock(set, &call);
    shrink_found(set->found, set->n_registered + LEAST);
    usk_set_unlock(set, &call);
    usk_room_t *room = take(set);
    if (room != NULL) {
        shrink_room(set, room);
        usk_set_give_room(set, room);
    }
}
