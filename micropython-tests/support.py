# Support for the tests on the firmware.
import _thread
import os
import select
import socket
import time


def raises(number, function, *args, **kw):
    """Calls a function that must raise OSError(number)."""
    try:
        result = function(*args, **kw)
    except OSError as e:
        assert e.args[0] == number, "OSError %s, not %s" % (e.args, number)
        return
    raise AssertionError("OSError %s expected, not %r" % (number, result))


def raises_type(kind, function, *args, **kw):
    try:
        result = function(*args, **kw)
    except kind:
        return
    raise AssertionError("%s expected, not %r" % (kind, result))


def address(host="127.0.0.1", port=0):
    """An address in the form that stock takes too."""
    return socket.getaddrinfo(host, port, socket.AF_INET, socket.SOCK_STREAM)[0][-1]


def listener():
    """A listening socket and its port, in a way that stock has too: it tells no port of its own."""
    s = socket.socket()
    s.bind(address())
    s.listen(5)
    if hasattr(s, "getsockname"):
        return s, s.getsockname()[1]
    wanted = inode(s)
    with open("/proc/net/tcp") as f:
        for line in f:  # There may be many: other programs' connections that have ended are in it, too.
            words = line.split()
            if len(words) > 9 and words[9] == wanted:
                return s, int(words[1].split(":")[1], 16)
    raise AssertionError("the listener is not in /proc/net/tcp")


def taken_port():
    """A socket that has a port and does not listen, and that port: connecting to it is refused. It is none
    of those that the kernel gives by itself, so it stays free for a while when the socket is closed."""
    with open("/proc/sys/net/ipv4/ip_local_port_range") as f:
        first = int(f.read().split()[0])
    while True:
        s = socket.socket()
        port = 1024 + int.from_bytes(os.urandom(4), "little") % (max(first, 2048) - 1024)
        try:
            s.bind(address("127.0.0.1", port))
            return s, port
        except OSError:
            s.close()


def free_port():
    """For a server that does not tell which it was given."""
    s, port = taken_port()
    s.close()
    return port


def has_ipv6():
    """Whether ::1 can be had."""
    s = socket.socket(socket.AF_INET6)
    try:
        s.bind(("::1", 0))
        return True
    except OSError:
        return False
    finally:
        s.close()


def allowed(n):
    """As many descriptors as a test would like, or fewer where fewer are allowed."""
    with open("/proc/self/limits") as f:
        for line in f:
            if line.startswith("Max open files") and line.split()[3] != "unlimited":
                return min(n, int(line.split()[3]) - 60)
    return n


def readable(s):
    """Waits until there is something to read."""
    p = select.poll()
    p.register(s, select.POLLIN)
    assert p.poll(60000)


def inode(s):
    link = os_readlink("/proc/self/fd/%d" % s.fileno())
    return link[link.index("[") + 1 : -1]


def os_readlink(path):
    import ffi

    libc = ffi.open("libc.so.6")
    readlink = libc.func("l", "readlink", "sPL")
    room = bytearray(256)
    return bytes(room[: readlink(path, room, len(room))]).decode()


def pair():
    """Two ends of a TCP connection."""
    l, port = listener()
    a = socket.socket()
    a.connect(address("127.0.0.1", port))
    b = l.accept()[0]
    l.close()
    return a, b


def descriptors():
    return len(list(os.ilistdir("/proc/self/fd")))


def state_of(thread):
    with open("/proc/self/task/%s/stat" % thread) as f:
        return f.read().split(")")[-1].split()[0]


def main_thread():
    with open("/proc/self/stat") as f:
        return f.read().split()[0]


def until_asleep(which, seconds=60):
    """Waits until all of these threads are in a system call that waits, and have been for three looks."""
    seen, end = 0, time.time() + seconds
    while seen < 3:
        assert time.time() < end, "it never blocks"
        try:
            threads = which()
            seen = seen + 1 if threads and all(state_of(t) == "S" for t in threads) else 0
        except OSError:
            seen = 0  # one has ended meanwhile
        time.sleep(0.005)


def until_main_sleeps():
    until_asleep(lambda: [main_thread()])


def until_others_sleep():
    until_asleep(lambda: [e[0] for e in os.ilistdir("/proc/self/task") if e[0] != main_thread()])


class Thread:
    """A thread that can be waited for and whose exception is not lost."""

    def __init__(self, function, *args):
        self.error = None
        self.result = None
        self.running = True
        _thread.start_new_thread(self.run, (function, args))

    def run(self, function, args):
        try:
            self.result = function(*args)
        except BaseException as e:
            self.error = e
        self.running = False

    def join(self, seconds=60):
        end = time.time() + seconds
        while self.running:
            assert time.time() < end, "the thread is still there"
            time.sleep(0.002)  # (sleep_ms keeps the GIL of 1.25 almost all the time)
        if self.error:
            raise self.error
        return self.result
