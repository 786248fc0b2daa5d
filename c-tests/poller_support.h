// Support for the tests of pollers.

#ifndef POLLER_SUPPORT_H
#define POLLER_SUPPORT_H

#include "support.h"

static inline usocket_t new_poller(void) { return OK(usocket_poller_create()); }

// The one event there is; fails when there is none, or more.
static inline usocket_event one_event(usocket_t poller)
{
    usocket_event e[2];
    GIVES(1, usocket_poller_wait(poller, e, 2, GENEROUS));
    return e[0];
}

static inline void no_event(usocket_t poller)
{
    usocket_event e;
    GIVES(0, usocket_poller_wait(poller, &e, 1, 0));
}

// A wait for one event on another thread.
struct waiter {
    usocket_t poller;
    _Atomic pid_t thread;
    int result;
    usocket_event event;
};

static inline void *wait_in_thread(void *arg)
{
    struct waiter *w = arg;
    w->thread = this_thread();
    w->result = usocket_poller_wait(w->poller, &w->event, 1, -1);
    return NULL;
}

static inline bool readable(int fd, int64_t within_us)
{
    struct pollfd p = {fd, POLLIN, 0};
    return poll(&p, 1, (int)(within_us / MS)) == 1 && p.revents & POLLIN;
}

// Nothing but what is told once may be left: a level, not an edge.
static inline void becomes_unreadable(usocket_t poller, int fd)
{
    for (int i = 0; i < 100 && readable(fd, 0); i++) {
        usocket_event e;
        OK(usocket_poller_wait(poller, &e, 1, 0));
    }
    assert_false(readable(fd, 0));
    no_event(poller);
}

#endif
