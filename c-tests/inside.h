// A call that another thread is inside of.

#ifndef INSIDE_H
#define INSIDE_H

#include "support.h"

struct inside {
    usocket_t handle;
    int64_t (*operation)(struct inside *);
    _Atomic pid_t thread;
    int64_t result;
    pthread_t id;
};

static inline int64_t in_recv(struct inside *in)
{
    char c;
    return usocket_recv(in->handle, &c, 1, 0);
}

static inline void *run_inside(void *arg)
{
    struct inside *in = arg;
    in->thread = this_thread();
    in->result = in->operation(in);
    return NULL;
}

static inline void begin(struct inside *in)
{
    start_thread(&in->id, run_inside, in);
    wait_until_inside(&in->thread);
}

static inline int64_t end(struct inside *in)
{
    pthread_join(in->id, NULL);
    return in->result;
}

#endif
