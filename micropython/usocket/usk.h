// What the files of this MicroPython module share: calls into libusocket, errors, addresses, the
// socket object. The modules hold no socket logic: that is usocket.h's, which they put into Python.
#ifndef USK_H
#define USK_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "py/mpconfig.h"
#include "py/mpstate.h"
#include "py/mpthread.h"
#include "py/obj.h"
#include "py/runtime.h"
#include "py/stream.h"

#include "usocket.h"

// Up to 1.26 it was NORETURN.
#ifndef MP_NORETURN
#define MP_NORETURN NORETURN
#endif

// ---- calls into the library (runtime.c) ----

// One call into the library, on the C stack of the thread that makes it, where the collector looks.
typedef struct _usk_call_t {
    struct _usk_call_t *outer;
    // An exception that came while the library waited, to be raised when it has returned.
    mp_obj_t raised;
    // Whether the GIL was given up for this call.
    bool released;
    // Whether the thread may be cancelled, outside.
    int cancel;
} usk_call_t;

// The call this thread is in; NULL while it runs MicroPython. Nothing may jump while it is set:
// there are frames of Rust on the stack.
extern __thread usk_call_t *volatile usk_current;

// Where the main thread has its own of that.
extern usk_call_t *volatile *usk_main_current;

// Before the first call: tells the library how its waits let MicroPython handle signals.
void usk_init(void);
// The rare part of leaving a call: true when the call is to be made again.
bool usk_leave_slow(usk_call_t *call, int64_t result);

// When MicroPython ends, the main thread cancels the others wherever they are: not while they are in Rust.
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

// True when the call is to be made again.
static inline bool usk_leave(usk_call_t *call, int64_t result) {
    if (call->released) {
        MP_THREAD_GIL_ENTER();
    }
    usk_current = call->outer;
    usk_set_cancel(call->cancel, NULL);
    return (call->raised != MP_OBJ_NULL || result < 0) && usk_leave_slow(call, result);
}

// result = call, where the call can block: other threads run meanwhile.
#define USK_WAIT(result, call) \
    do { \
        usk_call_t usk_call_; \
        do { \
            usk_enter(&usk_call_, true); \
            (result) = (call); \
        } while (usk_leave(&usk_call_, (result))); \
    } while (0)

// result = call, where the call cannot block.
#define USK_CALL(result, call) \
    do { \
        usk_call_t usk_call_; \
        usk_enter(&usk_call_, false); \
        (result) = (call); \
        usk_leave(&usk_call_, (result)); \
    } while (0)

// Whether to try again what could not get a descriptor: true when the collector has closed sockets that
// were dropped. Descriptors run out long before memory does, which is what the collector watches.
bool usk_descriptors_collected(int64_t result);

// result = call, where the call opens a descriptor.
#define USK_OPEN(kind, result, call) \
    do { \
        kind(result, call); \
        if (usk_descriptors_collected(result)) { \
            kind(result, call); \
        } \
    } while (0)

// ---- errors (runtime.c) ----

// The exception for a code of the library: an OSError, or a ValueError about a certificate. `s` is the handle it is
// about, or 0.
mp_obj_t usk_error(int64_t code, usocket_t s);
MP_NORETURN void usk_raise(int64_t code, usocket_t s);
// The number that goes into a stream's *errcode: errno, or the library's own where it has none.
int usk_errno(int64_t code);

// Of the library's TLS range, and the exception for such (tls_error.c).
bool usk_is_tls(int64_t code);
mp_obj_t usk_tls_error(int64_t code, usocket_t s);

static inline int64_t usk_check(int64_t result, usocket_t s) {
    if (result < 0) {
        usk_raise(result, s);
    }
    return result;
}

// ---- addresses (address.c) ----

// From a tuple, the bytes of a struct sockaddr, or a Unix path; `family` is the socket's.
void usk_addr_get(mp_obj_t obj, int family, usocket_addr *addr);
// To a tuple (IP), text or bytes (Unix), bytes (others); None for an empty one.
mp_obj_t usk_addr_new(const usocket_addr *addr);
// MicroPython's sockaddr(): (family, bytes, port[, flowinfo, scope id]).
mp_obj_t usk_addr_parts(const usocket_addr *addr);
// A whole text argument, without NUL within; NULL for None.
const char *usk_text_get(mp_obj_t obj);

// ---- sockets (socket.c) ----

typedef struct _usk_socket_t {
    mp_obj_base_t base;
    // 0 when closed.
    usocket_t s;
    // An error that ended a read() or readline() of several calls which had bytes to hand over.
    int64_t late;
    // The error of TLS that ended the connection: every use says it again.
    int64_t failed;
} usk_socket_t;

extern const mp_obj_type_t usk_socket_type;
extern const mp_stream_p_t usk_socket_stream_p;
// The class of those that are wrapped in TLS (tls_socket.c).
extern const mp_obj_type_t usk_tls_socket_type;

// A socket object without a socket yet, so that what opens one cannot fail for memory afterwards.
usk_socket_t *usk_socket_new(void);
// Microseconds for seconds: a number, or None for no timeout (socket_options.c).
int64_t usk_timeout_get(mp_obj_t value);
// The socket that an object is, or is made on: an instance of a Python subclass has one inside. NULL for
// any other object, and for an instance whose __init__ has not called the socket's yet.
usk_socket_t *usk_socket_of(mp_obj_t obj);
// The same of `self`: TypeError where that is no socket.
usk_socket_t *usk_self(mp_obj_t self_in);
// The handle of one of our objects, 0 when closed; false for any other object.
bool usk_handle_of(mp_obj_t obj, usocket_t *s);

#endif
