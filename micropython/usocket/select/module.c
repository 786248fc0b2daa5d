// The module select (and uselect): poll() over sockets, descriptors and other streams.

#include <poll.h>

#include "set.h"
#include "wait.h"

#define FLAG_ONESHOT (1)

typedef struct _poll_t {
    mp_obj_base_t base;
    usk_set_t set;
    // The results of the last ipoll(), until all have been returned.
    usk_found_t *ready;
    bool oneshot;
    mp_obj_t tuple;
} poll_t;

// register(obj[, eventmask])
static mp_obj_t poll_register(size_t n_args, const mp_obj_t *args) {
    poll_t *self = MP_OBJ_TO_PTR(args[0]);
    mp_uint_t events = n_args > 2 ? (mp_uint_t)mp_obj_get_int(args[2]) : MP_STREAM_POLL_RD | MP_STREAM_POLL_WR;
    usk_set_register(&self->set, args[1], events);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(poll_register_obj, 2, 3, poll_register);

static mp_obj_t poll_unregister(mp_obj_t self_in, mp_obj_t obj) {
    poll_t *self = MP_OBJ_TO_PTR(self_in);
    usk_set_unregister(&self->set, obj);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_2(poll_unregister_obj, poll_unregister);

static mp_obj_t poll_modify(mp_obj_t self_in, mp_obj_t obj, mp_obj_t events) {
    poll_t *self = MP_OBJ_TO_PTR(self_in);
    if (!usk_set_modify(&self->set, obj, (mp_uint_t)mp_obj_get_int(events))) {
        mp_raise_OSError(MP_ENOENT);
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_3(poll_modify_obj, poll_modify);

static usk_found_t *wait_for(poll_t *self, size_t n_args, const mp_obj_t *args, bool again) {
    mp_int_t timeout_ms = -1;
    if (n_args > 1 && args[1] != mp_const_none) {
        timeout_ms = mp_obj_get_int(args[1]);
    }
    return usk_set_wait(&self->set, timeout_ms, again);
}

// poll([timeout_ms])
static mp_obj_t poll_poll(size_t n_args, const mp_obj_t *args) {
    usk_found_t *ready = wait_for(MP_OBJ_TO_PTR(args[0]), n_args, args, false);
    size_t len = ready != NULL ? ready->len : 0;
    mp_obj_list_t *list = MP_OBJ_TO_PTR(mp_obj_new_list(len, NULL));
    list->len = 0;
    for (size_t i = 0; i < len; ++i) {
        usk_entry_t *e = ready->entries[i];
        mp_obj_t items[2] = { e->obj, mp_obj_new_int_from_uint(e->revents) };
        if (items[0] != MP_OBJ_NULL) { // else another thread has taken it out
            list->items[list->len++] = mp_obj_new_tuple(2, items);
        }
    }
    return MP_OBJ_FROM_PTR(list);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(poll_poll_obj, 1, 2, poll_poll);

// ipoll([timeout_ms[, flags]]): an iterator that returns the same tuple each time. It allocates no memory.
static mp_obj_t poll_ipoll(size_t n_args, const mp_obj_t *args) {
    poll_t *self = MP_OBJ_TO_PTR(args[0]);
    int flags = n_args > 2 ? (int)mp_obj_get_int(args[2]) : 0;
    self->ready = NULL;
    self->ready = wait_for(self, n_args, args, true);
    self->oneshot = (flags & FLAG_ONESHOT) != 0;
    return args[0];
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(poll_ipoll_obj, 1, 3, poll_ipoll);

static mp_obj_t poll_iternext(mp_obj_t self_in) {
    poll_t *self = MP_OBJ_TO_PTR(self_in);
    usk_found_t *ready = self->ready; // which another thread may replace
    usk_entry_t *e;
    while (ready != NULL && (e = usk_set_next(&self->set, ready)) != NULL) {
        mp_obj_t obj = e->obj;
        if (obj == MP_OBJ_NULL || e->revents == 0) {
            continue; // taken out since, and perhaps put in again
        }
        if (self->oneshot) {
            e->events = 0;
        }
        mp_obj_tuple_t *tuple = MP_OBJ_TO_PTR(self->tuple);
        tuple->items[0] = obj;
        tuple->items[1] = mp_obj_new_int_from_uint(e->revents);
        return self->tuple;
    }
    self->ready = NULL;
    return MP_OBJ_STOP_ITERATION;
}

static mp_obj_t poll_del(mp_obj_t self_in) {
    poll_t *self = MP_OBJ_TO_PTR(self_in);
    usk_set_deinit(&self->set);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(poll_del_obj, poll_del);

static const mp_rom_map_elem_t poll_locals_table[] = {
    { MP_ROM_QSTR(MP_QSTR___del__), MP_ROM_PTR(&poll_del_obj) },
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
    poll_t *self = mp_obj_malloc_with_finaliser(poll_t, &poll_type);
    usk_set_init(&self->set);
    self->ready = NULL;
    self->oneshot = false;
    self->tuple = mp_obj_new_tuple(2, NULL);
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
