// The buffers for the waits of a poll object.
#ifndef USK_SELECT_ROOM_H
#define USK_SELECT_ROOM_H

#include "state.h"

// Buffers for a wait of at least this many entries.
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

#endif
