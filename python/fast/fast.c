/*
 * usocket._fast: the calls that programs make most, without ctypes between them and the library.
 *
 * The class Socket holds the fields of a socket (usocket/_fields.py); METHODS has what
 * usocket/_accelerator.py puts in the place of methods in Python. Such a method does the plain case: arguments of
 * the plain types, no error kept from the last call. Anything else goes to the method in Python,
 * which is kept as `_slow_<name>`; what the library refuses becomes an exception in `_failed`.
 *
 * The calls of the library are made without the GIL. A buffer of the caller's is released before an
 * exception leaves: a reference to the exception would keep it locked.
 */

#define Py_LIMITED_API 0x030b0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <usocket.h>

/* The functions of the library, in the file that usocket/_lib.py has loaded. */
#define FUNCTIONS(X) \
    X(accept) X(addr_ip) X(detach) X(fileno) X(getpeername) X(getsockname) X(getsockopt_int) X(poll) X(read) \
    X(readline) X(recv) X(recvfrom) X(send) X(sendto) X(setsockopt_int) X(settimeout) X(write)
#define DECLARE(name) static __typeof__(usocket_##name) *f_##name;
FUNCTIONS(DECLARE)

/* An exception is set: beside the library's codes, which are 32 bits. */
#define RAISED INT64_MIN
#define NO_DEADLINE 0.0

enum { LINE = 4096, PIECE = 65536, MOST = 4 * PIECE, CONTRADICTIONS = 4, PAUSE_US = 1000 };

#define MOST_US 1e15

typedef struct {
    PyObject_HEAD
    usocket_t handle;  /* 0 when closed */
    double timeout;    /* seconds; negative is none */
    int late_in, late_out;
    int family;
    char filed;
} Socket;

typedef PyObject *const *Arguments;

/* usocket._address._decode, and names that are looked up. */
static PyObject *decode;
static PyObject *s_failed, *s_collect;

#include "arguments.h"
#include "calls.h"
#include "settings.h"

/* --- methods --------------------------------------------------------------------------------- */

static PyObject *Socket_send(Socket *self, Arguments args, Py_ssize_t n, PyObject *keywords)
{
    Memory m;
    int flags;
    if (keywords || n < 1 || n > 2 || self->late_out || !as_flags(args, n, 1, &flags))
        return SLOW("send");
    int plain = outgoing(args[0], &m);
    if (plain <= 0)
        return plain < 0 ? NULL : SLOW("send");
    int64_t sent = move(self, send_, m.start, m.size, flags, NULL, POLLOUT);
    release(&m);
    if (sent < 0 && (sent = failed(self, sent, POLLOUT)) == RAISED)
        return NULL;
    return PyLong_FromLongLong(sent);
}

static PyObject *Socket_sendall(Socket *self, Arguments args, Py_ssize_t n, PyObject *keywords)
{
    Memory m;
    int64_t code;
    if (keywords || n != 1 || self->late_out)
        return SLOW("sendall");
    int plain = outgoing(args[0], &m);
    if (plain < 0)
        return NULL;
    if (!plain || !m.size) {
        if (plain)
            release(&m);
        return SLOW("sendall");
    }
    drain(self, m.start, m.size, &code);
    release(&m);
    if (code && failed(self, code, POLLOUT) == RAISED)
        return NULL;
    return Py_NewRef(Py_None);
}

/* Of a TLS connection of the standard modules: all of it, or in non-blocking mode what there is room for. */
static PyObject *Socket__put(Socket *self, Arguments args, Py_ssize_t n, PyObject *keywords)
{
    Memory m;
    if (keywords || n != 1 || self->late_out)
        return SLOW("_put");
    int plain = outgoing(args[0], &m);
    if (plain <= 0)
        return plain < 0 ? NULL : SLOW("_put");
    int64_t code, sent = (int64_t)m.size;
    if (self->timeout == 0 || !m.size)
        code = sent = move(self, send_, m.start, m.size, 0, NULL, POLLOUT);
    else
        drain(self, m.start, m.size, &code);
    release(&m);
    if (code < 0 && (sent = failed(self, code, POLLOUT)) == RAISED)
        return NULL;
    return PyLong_FromLongLong(sent);
}

static PyObject *Socket_write(Socket *self, Arguments args, Py_ssize_t n, PyObject *keywords)
{
    Memory m;
    int64_t code;
    if (keywords || n != 1 || self->late_out)
        return SLOW("write");
    int plain = outgoing(args[0], &m);
    if (plain <= 0)
        return plain < 0 ? NULL : SLOW("write");
    int64_t done = drain(self, m.start, m.size, &code);
    release(&m);
    if (code == RAISED)
        return NULL;
    if (code && code != -EAGAIN) {
        if (!done) {
            failed(self, code, POLLOUT);
            return NULL;
        }
        self->late_out = (int)code;
    }
    return code == -EAGAIN && !done ? Py_NewRef(Py_None) : PyLong_FromLongLong(done);
}

/* The address of a tuple of plain text and an int; 0 where Python has to say what it is. */
static int numeric_address(const Socket *self, PyObject *tuple, usocket_addr *out)
{
    Py_ssize_t length, port;
    if ((self->family != AF_INET && self->family != AF_INET6) || !PyTuple_CheckExact(tuple) || PyTuple_Size(tuple) != 2)
        return 0;
    PyObject *host = PyTuple_GetItem(tuple, 0);
    if (!PyUnicode_CheckExact(host) || !as_size(PyTuple_GetItem(tuple, 1), &port) || port > 65535)
        return 0;
    const char *text = PyUnicode_AsUTF8AndSize(host, &length);
    if (!text)
        PyErr_Clear();
    return text && strlen(text) == (size_t)length && f_addr_ip(self->family, text, port, 0, 0, out) == 0;
}

static PyObject *Socket_sendto(Socket *self, Arguments args, Py_ssize_t n, PyObject *keywords)
{
    Memory m;
    usocket_addr to;
    int flags;
    if (keywords || n < 2 || n > 3 || self->late_out || !as_flags(args, n - 1, 1, &flags) ||
        !numeric_address(self, args[n - 1], &to))
        return SLOW("sendto");
    int plain = outgoing(args[0], &m);
    if (plain <= 0)
        return plain < 0 ? NULL : SLOW("sendto");
    int64_t sent = move(self, sendto_, m.start, m.size, flags, &to, POLLOUT);
    release(&m);
    if (sent < 0 && (sent = failed(self, sent, POLLOUT)) == RAISED)
        return NULL;
    return PyLong_FromLongLong(sent);
}

/* Received bytes as Python has them: of any code, what the socket makes of it; NULL with an exception. */
static PyObject *received(Socket *self, Room *room, int64_t got)
{
    if (got < 0 && (got = failed(self, got, POLLIN)) == RAISED) {
        leave(room);
        return NULL;
    }
    return taken(room, got);
}

static PyObject *Socket_recv(Socket *self, Arguments args, Py_ssize_t n, PyObject *keywords)
{
    Py_ssize_t size;
    int flags;
    if (keywords || n < 1 || n > 2 || self->late_in || !as_size(args[0], &size) || !as_flags(args, n, 1, &flags))
        return SLOW("recv");
    Room room;
    if (!enter(&room, size))
        return NULL;
    return received(self, &room, move(self, recv_, room.start, (size_t)size, flags, NULL, POLLIN));
}

static PyObject *Socket_recvfrom(Socket *self, Arguments args, Py_ssize_t n, PyObject *keywords)
{
    Py_ssize_t size;
    int flags;
    usocket_addr sender = {.len = 0};
    if (keywords || n < 1 || n > 2 || self->late_in || !as_size(args[0], &size) || !as_flags(args, n, 1, &flags))
        return SLOW("recvfrom");
    Room room;
    if (!enter(&room, size))
        return NULL;
    int64_t got = move(self, recvfrom_, room.start, (size_t)size, flags, &sender, POLLIN);
    PyObject *data = received(self, &room, got);
    PyObject *address = data ? decoded(&sender) : NULL;
    PyObject *both = address ? PyTuple_Pack(2, data, address) : NULL;
    Py_XDECREF(address);
    Py_XDECREF(data);
    return both;
}

static PyObject *Socket_recv_into(Socket *self, Arguments args, Py_ssize_t n, PyObject *keywords)
{
    Memory m;
    Py_ssize_t size = 0;
    int flags;
    if (keywords || n < 1 || n > 3 || self->late_in || (n > 1 && !as_size(args[1], &size)) ||
        !as_flags(args, n, 2, &flags) || !incoming(args[0], &m))
        return SLOW("recv_into");
    if ((size_t)size > m.size) {
        release(&m);
        return SLOW("recv_into");
    }
    int64_t got = move(self, recv_, m.start, size ? (size_t)size : m.size, flags, NULL, POLLIN);
    release(&m);
    if (got < 0 && (got = failed(self, got, POLLIN)) == RAISED)
        return NULL;
    return PyLong_FromLongLong(got);
}

/* Of a TLS connection of the standard modules: into a buffer, or so much of it, of as much as there is room for. */
static PyObject *Socket__get(Socket *self, Arguments args, Py_ssize_t n, PyObject *keywords)
{
    Memory m;
    Py_ssize_t size;
    if (keywords || n != 2 || self->late_in || !as_size(args[1], &size) || !incoming(args[0], &m))
        return SLOW("_get");
    size_t want = size && (size_t)size < m.size ? (size_t)size : m.size;
    int64_t got = want ? move(self, recv_, m.start, want, 0, NULL, POLLIN) : 0;
    release(&m);
    if (got < 0 && (got = failed(self, got, POLLIN)) == RAISED)
        return NULL;
    return PyLong_FromLongLong(got);
}

/* The handle of a connection, and who it is. */
static PyObject *Socket_accepted(Socket *self, PyObject *nothing)
{
    (void)nothing;
    usocket_t handle = self->handle, made;
    usocket_addr peer = {.len = 0};
    double deadline = deadline_of(self);
    for (;;) {
        int64_t code = 0;
        Py_BEGIN_ALLOW_THREADS
        made = f_accept(handle, &peer);
        Py_END_ALLOW_THREADS
        if (made != -EINTR)
            break;
        if (PyErr_CheckSignals() < 0)
            return NULL;
        if (deadline != NO_DEADLINE && (code = wait_until(handle, POLLIN, deadline)) < 0) {
            made = code;
            break;
        }
    }
    if (made < 0) {
        failed(self, made, POLLIN);
        return NULL;
    }
    PyObject *address = decoded(&peer);
    PyObject *number = address ? PyLong_FromLongLong(made) : NULL;
    PyObject *both = number ? PyTuple_Pack(2, number, address) : NULL;
    Py_XDECREF(number);
    Py_XDECREF(address);
    return both;
}

/* Continues after an incomplete first call of read or readline: `got` of `want` bytes, or a code. */
static PyObject *collect(Socket *self, Py_ssize_t limit, int line, const char *start, int64_t got,
                         Py_ssize_t want, double deadline)
{
    PyObject *method = PyObject_GetAttr((PyObject *)self, s_collect), *result = NULL;
    PyObject *end = deadline == NO_DEADLINE ? Py_NewRef(Py_None) : PyFloat_FromDouble(deadline);
    PyObject *most = limit < 0 ? Py_NewRef(Py_None) : PyLong_FromSsize_t(limit);
    if (method && end && most)
        result = PyObject_CallFunction(method, "OO(y#LnO)", most, line ? Py_True : Py_False, start,
                                       (Py_ssize_t)(got > 0 ? got : 0), (long long)got, want, end);
    Py_XDECREF(method);
    Py_XDECREF(end);
    Py_XDECREF(most);
    return result;
}

static PyObject *Socket_read(Socket *self, Arguments args, Py_ssize_t n, PyObject *keywords)
{
    Py_ssize_t size;
    if (keywords || n != 1 || self->late_in || !as_size(args[0], &size) || size == 0 || size > PIECE)
        return SLOW("read");
    usocket_t handle = self->handle;
    double deadline = deadline_of(self);
    Room room;
    if (!enter(&room, size))
        return NULL;
    int64_t got;
    Py_BEGIN_ALLOW_THREADS
    got = f_read(handle, room.start, (size_t)size);
    Py_END_ALLOW_THREADS
    if (got == size)
        return taken(&room, got);
    PyObject *result = collect(self, size, 0, room.start, got, size, deadline);
    leave(&room);
    return result;
}

static PyObject *Socket_readline(Socket *self, Arguments args, Py_ssize_t n, PyObject *keywords)
{
    Py_ssize_t limit = -1;
    char line[LINE];
    if (keywords || n > 1 || self->late_in || (n == 1 && (!as_size(args[0], &limit) || limit == 0)))
        return SLOW("readline");
    usocket_t handle = self->handle;
    double deadline = deadline_of(self);
    Py_ssize_t want = limit < 0 || limit > LINE ? LINE : limit;
    int64_t got;
    Py_BEGIN_ALLOW_THREADS
    got = f_readline(handle, line, (size_t)want);
    Py_END_ALLOW_THREADS
    if (got > 0 && (line[got - 1] == '\n' || got == limit))
        return PyBytes_FromStringAndSize(line, (Py_ssize_t)got);
    return collect(self, limit, 1, line, got, want, deadline);
}

#define METHOD(name, signature)                                                     \
    {#name, (PyCFunction)(void (*)(void))Socket_##name, METH_FASTCALL | METH_KEYWORDS, \
     #name signature "\n--\n\nAs the class usocket.socket says of the method in Python."}

static PyMethodDef methods[] = {
    METHOD(send, "($self, data, flags=0)"),
    METHOD(sendall, "($self, data, flags=0)"),
    METHOD(_put, "($self, data)"),
    METHOD(_get, "($self, buffer, size)"),
    METHOD(sendto, "($self, data, *flags_and_address)"),
    METHOD(recv, "($self, bufsize, flags=0)"),
    METHOD(recvfrom, "($self, bufsize, flags=0)"),
    METHOD(recv_into, "($self, buffer, nbytes=0, flags=0)"),
    METHOD(read, "($self, size=-1)"),
    METHOD(readline, "($self, size=-1)"),
    METHOD(write, "($self, buf, *part)"),
    METHOD(setsockopt, "($self, level, optname, value, optlen=None)"),
    METHOD(getsockopt, "($self, level, optname, buflen=0)"),
    METHOD(settimeout, "($self, value)"),
    METHOD(getpeername, "($self)"),
    METHOD(getsockname, "($self)"),
    METHOD(fileno, "($self)"),
    METHOD(detach, "($self)"),
    {"_accepted", (PyCFunction)Socket_accepted, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

/* --- fields ---------------------------------------------------------------------------------- */

static PyMemberDef members[] = {
    {"_handle", T_LONGLONG, offsetof(Socket, handle), 0, NULL},
    {"_late_in", T_INT, offsetof(Socket, late_in), 0, NULL},
    {"_late_out", T_INT, offsetof(Socket, late_out), 0, NULL},
    {"_family", T_INT, offsetof(Socket, family), 0, NULL},
    {"_filed", T_BOOL, offsetof(Socket, filed), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyObject *timeout_get(Socket *self, void *closure)
{
    (void)closure;
    return self->timeout < 0 ? Py_NewRef(Py_None) : PyFloat_FromDouble(self->timeout);
}

static int timeout_set(Socket *self, PyObject *value, void *closure)
{
    (void)closure;
    double timeout = -1;
    if (value && value != Py_None && (timeout = PyFloat_AsDouble(value)) == -1 && PyErr_Occurred())
        return -1;
    self->timeout = timeout;
    return 0;
}

static PyGetSetDef computed[] = {
    {"_timeout", (getter)timeout_get, (setter)timeout_set, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

/* --- the module ------------------------------------------------------------------------------ */

static PyType_Slot slots[] = {
    {Py_tp_members, members},
    {Py_tp_getset, computed},
    {Py_tp_doc, "The fields of a socket."},
    {0, NULL},
};

static PyType_Spec spec = {
    "usocket._fast.Socket", sizeof(Socket), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots,
};

/* bind(addresses, decode): the library's functions, by name, and what makes Python's addresses. */
static PyObject *fast_bind(PyObject *module, PyObject *args)
{
    PyObject *addresses, *decoder;
    (void)module;
    if (!PyArg_ParseTuple(args, "OO", &addresses, &decoder))
        return NULL;
#define BIND(name)                                                             \
    {                                                                          \
        PyObject *number = PyMapping_GetItemString(addresses, #name);          \
        void *pointer = number ? PyLong_AsVoidPtr(number) : NULL;              \
        Py_XDECREF(number);                                                    \
        if (!pointer)                                                          \
            return PyErr_Occurred() ? NULL : PyErr_Format(PyExc_ValueError, "no %s", #name); \
        memcpy(&f_##name, &pointer, sizeof pointer);                           \
    }
    FUNCTIONS(BIND)
    Py_XDECREF(decode);
    decode = Py_NewRef(decoder);
    return Py_NewRef(Py_None);
}

/* answers(address): what the first of usocket_getaddrinfo's results, at this address, and the next ones say. */
static PyObject *fast_answers(PyObject *module, PyObject *address)
{
    struct usocket_addrinfo *info = PyLong_AsVoidPtr(address);
    PyObject *all = PyErr_Occurred() ? NULL : PyList_New(0);
    (void)module;
    for (; all && info; info = info->next) {
        PyObject *to = decoded(&info->addr), *one = NULL;
        if (to)
            one = Py_BuildValue("iiisN", info->family, info->type, info->proto,
                                info->canonname ? info->canonname : "", to);
        if (!one || PyList_Append(all, one) < 0)
            Py_CLEAR(all);
        Py_XDECREF(one);
    }
    return all;
}

static PyMethodDef functions[] = {
    {"bind", fast_bind, METH_VARARGS, NULL},
    {"answers", fast_answers, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_fast", "The calls that programs make most, in C.", -1, functions, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__fast(void)
{
    s_failed = PyUnicode_InternFromString("_failed");
    s_collect = PyUnicode_InternFromString("_collect");
    PyObject *module = PyModule_Create(&definition), *type = PyType_FromSpec(&spec), *all = PyDict_New();
    int bad = !s_failed || !s_collect || !module || !type || !all;
    /* Each goes into the class that has it in Python: not every socket is a stream. */
    for (PyMethodDef *m = methods; !bad && m->ml_name; m++) {
        PyObject *method = PyDescr_NewMethod((PyTypeObject *)type, m);
        bad = !method || PyDict_SetItemString(all, m->ml_name, method) < 0;
        Py_XDECREF(method);
    }
    if (bad || PyModule_AddObjectRef(module, "Socket", type) < 0 || PyModule_AddObjectRef(module, "METHODS", all) < 0)
        Py_CLEAR(module);
    Py_XDECREF(type);
    Py_XDECREF(all);
    return module;
}
