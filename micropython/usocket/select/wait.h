// The wait of a poll object.
#ifndef USK_SELECT_WAIT_H
#define USK_SELECT_WAIT_H

#include "state.h"

// Waits until something is ready, or `timeout_ms`, negative for ever. The results are in `set->found` with `again`,
// without an allocation, else in a new list; NULL for none.
usk_found_t *usk_set_wait(usk_set_t *set, mp_int_t timeout_ms, bool again);
// The next result; NULL at the end.
usk_entry_t *usk_set_next(usk_set_t *set, usk_found_t *found);

#endif
