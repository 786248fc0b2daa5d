/* Calls of the library without the GIL; deadlines, and signals, whose handlers run here. */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t); /* time.monotonic() */
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* When an operation that begins now has to be over. */
static double deadline_of(const Socket *self)
{
    return self->timeout > 0 ? now() + self->timeout : NO_DEADLINE;
}

/* Any of the four that move data; those without an address ignore it. */
typedef int64_t Mover(usocket_t s, void *start, size_t size, int flags, usocket_addr *addr);

static int64_t send_(usocket_t s, void *start, size_t size, int flags, usocket_addr *addr)
{
    (void)addr;
    return f_send(s, start, size, flags);
}

static int64_t recv_(usocket_t s, void *start, size_t size, int flags, usocket_addr *addr)
{
    (void)addr;
    return f_recv(s, start, size, flags);
}

static int64_t sendto_(usocket_t s, void *start, size_t size, int flags, usocket_addr *addr)
{
    return f_sendto(s, start, size, flags, addr);
}

static int64_t recvfrom_(usocket_t s, void *start, size_t size, int flags, usocket_addr *addr)
{
    return f_recvfrom(s, start, size, flags, addr);
}

/* Waits until a handle has `events`: 0 or a code; signals are handled. Handle 0 is a pause. */
static int64_t wait_until(usocket_t handle, int events, double deadline)
{
    for (;;) {
        struct usocket_pollfd entry = {.socket = handle, .fd = -1, .events = (int16_t)events};
        double left = deadline - now();
        int64_t us = left > 9e12 ? INT64_MAX : left > 0 ? (int64_t)(left * 1e6) + 1 : 0;
        int64_t code;
        Py_BEGIN_ALLOW_THREADS
        code = f_poll(handle ? &entry : NULL, handle ? 1 : 0, us);
        Py_END_ALLOW_THREADS
        if (code != -EINTR)
            return code == 0 ? -ETIMEDOUT : code < 0 ? code : 0;
        if (PyErr_CheckSignals() < 0)
            return RAISED;
    }
}

/* Goes on after a signal, whose handler runs first, for the time that is left (_wait.resume). */
static int64_t resume(Mover *call, usocket_t handle, void *start, size_t size, int flags,
                      usocket_addr *addr, int events, double deadline)
{
    if (flags & MSG_DONTWAIT)
        deadline = NO_DEADLINE;
    if (deadline != NO_DEADLINE)
        flags |= MSG_DONTWAIT;
    for (int contradictions = 0;;) {
        int64_t n;
        if (PyErr_CheckSignals() < 0)
            return RAISED;
        Py_BEGIN_ALLOW_THREADS
        n = call(handle, start, size, flags, addr);
        Py_END_ALLOW_THREADS
        if (n == -EAGAIN && deadline != NO_DEADLINE) {
            if ((n = wait_until(handle, events, deadline)) < 0)
                return n;
            /* "Ready" and EAGAIN in turn is what a Unix datagram peer with a full queue gives. */
            if (++contradictions > CONTRADICTIONS) {
                if (wait_until(0, 0, now() + PAUSE_US / 1e6) == RAISED)
                    return RAISED;
                if (now() > deadline)
                    return -ETIMEDOUT;
            }
        } else if (n != -EINTR) {
            return n;
        }
    }
}

static int64_t move(const Socket *self, Mover *call, void *start, size_t size, int flags,
                    usocket_addr *addr, int events)
{
    usocket_t handle = self->handle;
    double deadline = deadline_of(self);
    int64_t n;
    Py_BEGIN_ALLOW_THREADS
    n = call(handle, start, size, flags, addr);
    Py_END_ALLOW_THREADS
    return n == -EINTR ? resume(call, handle, start, size, flags, addr, events, deadline) : n;
}

/* The socket's result for an error code: mostly an exception, and then RAISED. */
static int64_t failed(Socket *self, int64_t code, int events)
{
    if (code == RAISED)
        return RAISED;
    PyObject *arguments[2] = {PyLong_FromLongLong(code), PyLong_FromLong(events)};
    PyObject *result = NULL;
    if (arguments[0] && arguments[1])
        result = PyObject_CallMethodObjArgs((PyObject *)self, s_failed, arguments[0], arguments[1], NULL);
    Py_XDECREF(arguments[0]);
    Py_XDECREF(arguments[1]);
    if (!result)
        return RAISED;
    int64_t n = PyLong_AsLongLong(result);
    Py_DECREF(result);
    return n == -1 && PyErr_Occurred() ? RAISED : n;
}

/* All of it, as usocket_write has it: how much went, and in `code` why not more, 0 when all did. */
static int64_t drain(const Socket *self, char *start, size_t size, int64_t *code)
{
    usocket_t handle = self->handle;
    double deadline = deadline_of(self);
    int64_t done, n;
    *code = 0;
    Py_BEGIN_ALLOW_THREADS
    done = f_write(handle, start, size);
    if (done != (int64_t)size) {
        /* Short. Writing nothing asks for the reason; 0 is that no more fits now. */
        *code = done < 0 ? done : f_write(handle, NULL, 0);
        if (*code == 0)
            *code = -EAGAIN;
        if (done < 0)
            done = 0;
    }
    Py_END_ALLOW_THREADS
    if (*code != -EINTR)
        return done;
    while ((size_t)done < size) {
        n = resume(send_, handle, start + done, size - (size_t)done, 0, NULL, POLLOUT, deadline);
        if (n < 0) {
            *code = n;
            return done;
        }
        done += n;
    }
    *code = 0;
    return done;
}
