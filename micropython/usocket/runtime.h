// Calls into libusocket, from any thread of MicroPython's. The modules contain no socket logic: they only expose
// usocket.h to Python.
#ifndef USK_RUNTIME_H
#define USK_RUNTIME_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "py/mpconfig.h"

#if !defined(MICROPY_VERSION_MAJOR) || (MICROPY_VERSION_MAJOR == 1 && MICROPY_VERSION_MINOR < 23)
#error "libusocket needs MicroPython 1.23 or later: before it, finalisers and types are made in other ways"
#endif

#include "py/mpstate.h"
#include "py/mpthread.h"
#include "py/obj.h"
#include "py/runtime.h"

#include "usocket.h"

// Up to 1.26 it was NORETURN.
#ifndef MP_NORETURN
#define MP_NORETURN NORETURN
#endif

// One call into the library, on the C stack of its thread, where the collector scans it.
typedef struct _usk_call_t {
    struct _usk_call_t *outer;
    // An exception that came while the library waited, to be raised when it has returned.
    mp_obj_t raised;
    // Whether the GIL was released for this call.
    bool released;
    // Whether the thread may be cancelled, outside.
    int cancel;
} usk_call_t;

// The library call of this thread; NULL while it runs MicroPython. No longjmp may happen while it is set, because there
// are Rust frames on the stack.
extern __thread usk_call_t *volatile usk_current;

// The main thread's instance of that variable.
extern usk_call_t *volatile *usk_main_current;

// Installs the event hook before the first call.
void usk_init(void);
// The slow path of leaving a call; true when the call must be repeated.
bool usk_leave_slow(usk_call_t *call, int64_t result);

// When MicroPython exits, the main thread cancels the other threads. This must not happen in Rust code.
static inline void usk_set_cancel(int state, int *old) {
    #ifndef __ANDROID__ // which has no such thing
    if (usk_main_current != &usk_current) {
        pthread_setcancelstate(state, old);
    }
    #endif
}

static inline void usk_enter(usk_call_t *call, bool release) {
    call->raised = MP_OBJ_NULL;
    call->released = release;
    call->outer = usk_current;
    usk_current = call;
    usk_set_cancel(PTHREAD_CANCEL_DISABLE, &call->cancel);
    if (release) {
        MP_THREAD_GIL_EXIT();
    }
}

// True when the call must be repeated.
static inline bool usk_leave(usk_call_t *call, int64_t result) {
    if (call->released) {
        MP_THREAD_GIL_ENTER();
    }
    usk_current = call->outer;
    usk_set_cancel(call->cancel, NULL);
    return (call->raised != MP_OBJ_NULL || result < 0) && usk_leave_slow(call, result);
}

// result = call, for a call that can block: other threads run meanwhile.
#define USK_WAIT(result, call) \
    do { \
        usk_call_t usk_call_; \
        do { \
            usk_enter(&usk_call_, true); \
            (result) = (call); \
        } while (usk_leave(&usk_call_, (result))); \
    } while (0)

// result = call, for a call that cannot block.
#define USK_CALL(result, call) \
    do { \
        usk_call_t usk_call_; \
        usk_enter(&usk_call_, false); \
        (result) = (call); \
        usk_leave(&usk_call_, (result)); \
    } while (0)

// Closes a handle without releasing the GIL. As in stock MicroPython, a close never raises.
void usk_close(usocket_t handle);

// Whether to repeat a call that got no descriptor: true when a collection has closed dropped sockets. The collector
// runs for lack of memory, and descriptors run out long before that.
bool usk_descriptors_collected(int64_t result);

// result = call, for a call that opens a descriptor.
#define USK_OPEN(kind, result, call) \
    do { \
        kind(result, call); \
        if (usk_descriptors_collected(result)) { \
            kind(result, call); \
        } \
    } while (0)

#endif
