/* The arguments of a method: what is plain, and memory that is the caller's. */

/* The method in Python, for what is not the plain case. */
static PyObject *slow(Socket *self, const char *name, Arguments args, Py_ssize_t n, PyObject *keywords)
{
    Py_ssize_t named = keywords ? PyTuple_Size(keywords) : 0;
    PyObject *method = PyObject_GetAttrString((PyObject *)self, name);
    PyObject *positional = PyTuple_New(n), *by_name = named ? PyDict_New() : NULL;
    PyObject *result = NULL;
    if (!method || !positional || (named && !by_name))
        goto out;
    for (Py_ssize_t i = 0; i < n; i++)
        PyTuple_SetItem(positional, i, Py_NewRef(args[i]));
    for (Py_ssize_t i = 0; i < named; i++)
        if (PyDict_SetItem(by_name, PyTuple_GetItem(keywords, i), args[n + i]) < 0)
            goto out;
    result = PyObject_Call(method, positional, by_name);
out:
    Py_XDECREF(method);
    Py_XDECREF(positional);
    Py_XDECREF(by_name);
    return result;
}

#define SLOW(name) slow(self, "_slow_" name, args, n, keywords)

/* Whether an argument is an int of at least 0; its value. */
static int as_size(PyObject *value, Py_ssize_t *size)
{
    if (!PyLong_CheckExact(value))
        return 0;
    *size = PyLong_AsSsize_t(value);
    if (*size == -1 && PyErr_Occurred())
        PyErr_Clear();
    return *size >= 0;
}

/* Whether there is no such argument, or it is a C int; its value. */
static int as_flags(Arguments args, Py_ssize_t n, Py_ssize_t at, int *flags)
{
    *flags = 0;
    if (n <= at)
        return 1;
    if (!PyLong_CheckExact(args[at]))
        return 0;
    long value = PyLong_AsLong(args[at]);
    if (value == -1 && PyErr_Occurred()) {
        PyErr_Clear();
        return 0;
    }
    *flags = (int)value;
    return value == *flags;
}

/* The memory of an argument, locked until it is released. Bytes need no lock. */
typedef struct {
    void *start;
    size_t size;
    int locked;
    Py_buffer view;
} Memory;

/* 1; 0 where Python has to say what it is; -1 with an exception. */
static int outgoing(PyObject *data, Memory *m)
{
    m->locked = 0;
    if (PyBytes_CheckExact(data)) {
        m->start = PyBytes_AsString(data);
        m->size = (size_t)PyBytes_Size(data);
        return 1;
    }
    if (PyUnicode_Check(data))
        return 0;
    if (PyObject_GetBuffer(data, &m->view, PyBUF_SIMPLE) < 0)
        return -1;
    m->start = m->view.buf;
    m->size = (size_t)m->view.len;
    return m->locked = 1;
}

/* The same of a buffer to receive into. */
static int incoming(PyObject *buffer, Memory *m)
{
    m->locked = 0;
    if (PyObject_GetBuffer(buffer, &m->view, PyBUF_WRITABLE) < 0) {
        PyErr_Clear();
        return 0;
    }
    m->start = m->view.buf;
    m->size = (size_t)m->view.len;
    return m->locked = 1;
}

static void release(Memory *m)
{
    if (m->locked)
        PyBuffer_Release(&m->view);
    m->locked = 0;
}

/* Room for bytes that are to be received, of which there may be few: they become bytes of Python's. */
typedef struct {
    char *start;
    Py_ssize_t size;
    PyObject *bytes; /* Where they come in the end, or NULL. */
    int spared;
    char small[LINE];
} Room;

/* One that nobody uses at the moment, for the large pieces that event loops ask for. */
static char *spare;

static int enter(Room *room, Py_ssize_t size)
{
    room->size = size;
    room->bytes = NULL;
    room->spared = 0;
    if (size <= LINE) {
        room->start = room->small;
        return 1;
    }
    if (size > PIECE && size <= MOST && (spare || (spare = PyMem_Malloc(MOST)))) {
        room->start = spare;
        spare = NULL;
        return room->spared = 1;
    }
    room->bytes = PyBytes_FromStringAndSize(NULL, size);
    room->start = room->bytes ? PyBytes_AsString(room->bytes) : NULL;
    return room->bytes != NULL;
}

static void leave(Room *room)
{
    Py_CLEAR(room->bytes);
    if (room->spared && spare)
        PyMem_Free(room->start);
    else if (room->spared)
        spare = room->start;
    room->spared = 0;
}

/* The bytes that came; the room is left. With MSG_TRUNC the number may be more than there is room for. */
static PyObject *taken(Room *room, int64_t got)
{
    PyObject *bytes;
    if (got > room->size)
        got = room->size;
    if (room->bytes && got == room->size)
        bytes = Py_NewRef(room->bytes);
    else
        bytes = PyBytes_FromStringAndSize(room->start, (Py_ssize_t)got);
    leave(room);
    return bytes;
}
