// Calls into libusocket for MicroPython: signals and scheduled callbacks are handled while the library waits,
// exceptions are raised after it has returned, and no signal handler of the port jumps across it.

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "py/gc.h"
#include "py/mphal.h"
#include "runtime.h"

__thread usk_call_t *volatile usk_current;

// The event hook: the library runs it on the waiting thread after a signal; 0 continues the wait.
static int32_t event_hook(void *arg) {
    (void)arg;
    usk_call_t *call = usk_current;
    if (call == NULL) {
        return 0; // no thread of MicroPython's
    }
    // Python code may run from here; an interrupt unwinds up to this frame.
    volatile int32_t stop = 0;
    usk_current = NULL;
    if (call->released) {
        MP_THREAD_GIL_ENTER();
    }
    nlr_buf_t nlr;
    if (nlr_push(&nlr) == 0) {
        mp_handle_pending(true); // in 1.28 and later: callbacks and exceptions
        nlr_pop();
    } else {
        call->raised = MP_OBJ_FROM_PTR(nlr.ret_val);
        stop = 1;
    }
    if (call->released) {
        MP_THREAD_GIL_EXIT();
    }
    usk_current = call;
    return stop;
}

bool usk_leave_slow(usk_call_t *call, int64_t result) {
    if (call->raised != MP_OBJ_NULL) {
        if (result < 0) {
            nlr_raise(call->raised);
        }
        // The call has a result that must not be lost: the exception is raised a moment later.
        MP_STATE_THREAD(mp_pending_exception) = call->raised;
        return false;
    }
    // Nothing was raised: make the call again.
    return result == -EINTR && call->released;
}

void usk_close(usocket_t handle) {
    int32_t r;
    USK_CALL(r, usocket_close(handle));
    (void)r;
}

bool usk_descriptors_collected(int64_t result) {
    if (result != -EMFILE && result != -ENFILE) {
        return false;
    }
    gc_collect();
    return true;
}

// ---- callbacks that other threads schedule ----
//
// micropython.schedule() runs its callbacks on the main thread. While that waits in the library, a signal ends
// the system call, and the event hook runs them. It uses SIGURG, because that is ignored by default.

usk_call_t *volatile *usk_main_current;
static pthread_t main_thread;

static void on_wake(int signum) {
    (void)signum;
}

// Called on the main thread, before any other thread can schedule a callback.
static void main_thread_is_here(void) {
    if (usk_main_current != NULL) {
        return;
    }
    main_thread = pthread_self();
    usk_main_current = &usk_current;
    struct sigaction action;
    memset(&action, 0, sizeof(action)); // no SA_RESTART
    action.sa_handler = on_wake;
    sigaction(SIGURG, &action, NULL);
}

// Called whenever something is scheduled (MICROPY_SCHED_HOOK_SCHEDULED in scheduled.h), on any thread.
void usk_scheduled(void) {
    if (usk_main_current != NULL && *usk_main_current != NULL && !pthread_equal(pthread_self(), main_thread)) {
        pthread_kill(main_thread, SIGURG);
    }
}

// ---- Ctrl-C ----
//
// The unix port's own SIGINT handler raises KeyboardInterrupt by jumping out of whatever the thread
// is in (MICROPY_ASYNC_KBD_INTR). While that is the library, ours makes the exception pending
// instead, and the signal itself ends the wait.

#if MICROPY_KBD_EXCEPTION

static void (*port_handler)(int);

static void on_sigint(int signum) {
    int saved = errno;
    if (usk_current == NULL) {
        port_handler(signum);
    } else if (pthread_equal(pthread_self(), main_thread)) {
        mp_sched_keyboard_interrupt();
    } else {
        pthread_kill(main_thread, signum);
    }
    errno = saved;
}

static void guard_sigint(void) {
    struct sigaction action;
    if (sigaction(SIGINT, NULL, &action) == 0 && action.sa_handler != SIG_DFL
        && action.sa_handler != SIG_IGN && action.sa_handler != on_sigint) {
        port_handler = action.sa_handler;
        action.sa_handler = on_sigint;
        sigaction(SIGINT, &action, NULL);
    }
}

#if USK_WRAP_INTERRUPT_CHAR
// The port installs its handler again for every line of the REPL. The linker redirects those calls here (--wrap),
// always on the main thread.
void __real_mp_hal_set_interrupt_char(char c);
void __wrap_mp_hal_set_interrupt_char(char c);
void __wrap_mp_hal_set_interrupt_char(char c) {
    __real_mp_hal_set_interrupt_char(c);
    main_thread_is_here();
    guard_sigint();
}
#endif

#endif // MICROPY_KBD_EXCEPTION

void usk_init(void) {
    static bool done;
    if (done) {
        return;
    }
    done = true;
    #if !(MICROPY_KBD_EXCEPTION && USK_WRAP_INTERRUPT_CHAR) // else that was when the port began
    main_thread_is_here();
    #if MICROPY_KBD_EXCEPTION
    guard_sigint();
    #endif
    #endif
    usocket_set_event_hook(event_hook, NULL);
}
