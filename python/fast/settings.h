/* What is asked and set around a connection's life. An error is Python's to raise: it asks once more. */

/* An address as Python has it. */
static PyObject *decoded(const usocket_addr *addr)
{
    PyObject *raw = PyBytes_FromStringAndSize((const char *)addr->storage, addr->len);
    PyObject *address = raw ? PyObject_CallFunctionObjArgs(decode, raw, NULL) : NULL;
    Py_XDECREF(raw);
    return address;
}

/* What the library returns. It may wait for a thread that waits for the GIL, such as one in a callback. */
#define ASK(code, call)         \
    do {                        \
        Py_BEGIN_ALLOW_THREADS; \
        code = call;            \
        Py_END_ALLOW_THREADS;   \
    } while (0)

static PyObject *Socket_setsockopt(Socket *self, Arguments args, Py_ssize_t n, PyObject *keywords)
{
    int level, option, value, code = -1;
    if (!keywords && n == 3 && as_flags(args, n, 0, &level) && as_flags(args, n, 1, &option) &&
        as_flags(args, n, 2, &value))
        ASK(code, f_setsockopt_int(self->handle, level, option, value));
    return code < 0 ? SLOW("setsockopt") : Py_NewRef(Py_None);
}

static PyObject *Socket_getsockopt(Socket *self, Arguments args, Py_ssize_t n, PyObject *keywords)
{
    int level, option, code = -1;
    int32_t value;
    if (!keywords && n == 2 && as_flags(args, n, 0, &level) && as_flags(args, n, 1, &option))
        ASK(code, f_getsockopt_int(self->handle, level, option, &value));
    return code < 0 ? SLOW("getsockopt") : PyLong_FromLong(value);
}

/* None, or seconds that need no rounding to be microseconds. */
static PyObject *Socket_settimeout(Socket *self, Arguments args, Py_ssize_t n, PyObject *keywords)
{
    double us = -1;
    int code = -1, plain = !keywords && n == 1;
    if (plain && PyFloat_CheckExact(args[0])) {
        us = PyFloat_AsDouble(args[0]) * 1e6;
        plain = us >= 0 && us < MOST_US && us == (double)(int64_t)us;
    } else if (plain) {
        plain = args[0] == Py_None;
    }
    if (plain)
        ASK(code, f_settimeout(self->handle, (int64_t)us));
    if (code < 0)
        return SLOW("settimeout");
    self->timeout = us < 0 ? -1 : (double)(int64_t)us / 1e6;
    return Py_NewRef(Py_None);
}

/* One of the two names of a connection. */
static PyObject *name_of(Socket *self, __typeof__(usocket_getpeername) *call, const char *in_python, Arguments args,
                         Py_ssize_t n, PyObject *keywords)
{
    usocket_addr addr;
    int code = -1;
    if (!keywords && !n)
        ASK(code, call(self->handle, &addr));
    return code < 0 ? slow(self, in_python, args, n, keywords) : decoded(&addr);
}

static PyObject *Socket_getpeername(Socket *self, Arguments args, Py_ssize_t n, PyObject *keywords)
{
    return name_of(self, f_getpeername, "_slow_getpeername", args, n, keywords);
}

static PyObject *Socket_getsockname(Socket *self, Arguments args, Py_ssize_t n, PyObject *keywords)
{
    return name_of(self, f_getsockname, "_slow_getsockname", args, n, keywords);
}

static PyObject *Socket_fileno(Socket *self, Arguments args, Py_ssize_t n, PyObject *keywords)
{
    int fd;
    if (keywords || n)
        return SLOW("fileno");
    ASK(fd, f_fileno(self->handle));
    return PyLong_FromLong(fd < 0 ? -1 : fd);
}

static PyObject *Socket_detach(Socket *self, Arguments args, Py_ssize_t n, PyObject *keywords)
{
    int fd = -1;
    if (!keywords && !n && self->handle)
        ASK(fd, f_detach(self->handle));
    if (fd < 0)
        return SLOW("detach");
    self->handle = 0;
    return PyLong_FromLong(fd);
}
