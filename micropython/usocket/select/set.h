// The set of a poll object: the registered objects, and how to wait for each.
#ifndef USK_SELECT_SET_H
#define USK_SELECT_SET_H

#include "state.h"

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

#endif
