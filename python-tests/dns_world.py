"""A world with one name server, which misbehaves; run as a program, in namespaces of its own.

`python3 dns_world.py CASE WAY` makes a network namespace and a mount namespace, brings up loopback,
starts the name server on port 53 there, makes it the only one in /etc/resolv.conf, runs the case,
and exits with 0 if it went well, 77 if this user may not make namespaces. With the WAY `servers` the
library asks the server itself; with `library` nsswitch.conf says the same in words that it leaves to
the C library.

What the server does depends on the name: `good` answers, `late` answers after a third of a second,
`slow` after a tenth, `never` does not, `only4` and `only6` answer one of the questions, `garbage` and `truncated` are what they say, any other name does not exist.
"""

import contextlib
import ctypes
import errno
import fcntl
import glob
import os
import random
import resource
import signal
import socket
import struct
import sys
import tempfile
import threading
import time

CLONE_NEWNS, CLONE_NEWNET = 0x20000, 0x40000000
MS_BIND, MS_REC, MS_PRIVATE, MNT_DETACH = 0x1000, 0x4000, 0x40000, 2
SO_RCVBUFFORCE = 33
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
libc = ctypes.CDLL(None, use_errno=True)


def call(name, *args):
    if getattr(libc, name)(*args) != 0:
        e = ctypes.get_errno()
        if name == "unshare" and e == errno.EPERM:
            sys.exit(77)
        raise OSError(e, f"{name}: {os.strerror(e)}")


def replace_file(path, text):
    """Lays a file of our own over a file of the system, for this process and its children."""
    with tempfile.NamedTemporaryFile("w", delete=False) as f:
        f.write(text)
    libc.umount2(path.encode(), MNT_DETACH)  # An earlier one of ours, if any.
    call("mount", f.name.encode(), path.encode(), None, MS_BIND, None)
    os.unlink(f.name)


def make_world():
    call("unshare", CLONE_NEWNS | CLONE_NEWNET)
    call("mount", b"none", b"/", None, MS_REC | MS_PRIVATE, None)
    # Two tries of five seconds: left to itself, the C library takes ten for a dead server.
    replace_file("/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:5 attempts:2\n")
    hosts = {"servers": "files dns", "library": "files [SUCCESS=return] dns"}[sys.argv[2]]
    replace_file("/etc/nsswitch.conf", f"hosts: {hosts}\nservices: files\n")
    loopback_up()
    start_server(b"\x7f\0\0\x07")


def loopback_up():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        flags = fcntl.ioctl(s, SIOCGIFFLAGS, struct.pack("16sh14x", b"lo", 0))
        flags = struct.unpack("16sh14x", flags)[1]
        fcntl.ioctl(s, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP))


def start_server(address):
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    # Two thousand questions at once must not be lost here.
    server.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
    server.bind(("127.0.0.1", 53))  # A namespace of our own: nobody else has it.
    threading.Thread(target=serve, args=(server, address), daemon=True).start()


def serve(server, address):
    while True:
        query, client = server.recvfrom(4096)
        args = (server, address, query, client)
        threading.Thread(target=answer, args=args, daemon=True).start()


asked = []


def answer(server, address, query, client):
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode().lower())
        at += 1 + query[at]
    question = query[12 : at + 5]
    kind = struct.unpack("!H", query[at + 1 : at + 3])[0]
    asked.append(".".join(labels))

    def reply(flags, answers=b"", count=0):
        header = query[:2] + struct.pack("!HHHHH", flags, 1, count, 0, 0)
        server.sendto(header + question + answers, client)

    what = labels[0]
    if what in ("never", "9") or (what, kind) in (("only4", 28), ("only6", 1)):
        return
    if what == "slow":
        time.sleep(0.1)
    if what == "late":
        time.sleep(0.33)  # The delay is intended.
    if what == "garbage":
        server.sendto(query[:2] + random.Random(1).randbytes(40), client)
    elif what == "truncated":
        reply(0x8380)  # TC: ask again by TCP, where nobody listens.
    elif kind == 12 and what == "7":
        reply(0x8180, b"\xc0\x0c" + struct.pack("!HHIH", 12, 1, 60, 12) + b"\5seven\4test\0", 1)
    elif what == "broken":
        reply(0x8182)
    elif what == "empty":
        reply(0x8180)
    elif labels == ["alias", "only", "test"]:  # An alias of good.test.
        target = b"\4good\4test\0"
        records = b"\xc0\x0c" + struct.pack("!HHIH", 5, 1, 60, len(target)) + target
        if kind == 1:
            records += target + struct.pack("!HHIH", 1, 1, 60, 4) + address
        reply(0x8180, records, 2 if kind == 1 else 1)
    elif what == "big" and kind == 1:  # More than 1500 bytes.
        head = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4)
        reply(0x8180, b"".join(head + bytes([127, 0, 1, n]) for n in range(120)), 120)
    elif what == "chain" and kind == 1:  # Twenty-five aliases.
        names = [b"\xc0\x0c", *(b"\3a%02d\4test\0" % n for n in range(25))]
        records = b"".join(
            of + struct.pack("!HHIH", 5, 1, 60, len(to)) + to for of, to in zip(names, names[1:])
        )
        reply(0x8180, records + names[-1] + struct.pack("!HHIH", 1, 1, 60, 4) + address, 26)
    elif what in ("big", "chain"):
        reply(0x8180)
    elif what == "many":
        size = 4 if kind == 1 else 16
        ends = (9, 3, 5) if kind == 1 else (1,)
        ips = [(b"\x7f\0\0" if kind == 1 else bytes(15)) + bytes([end]) for end in ends]
        head = b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 60, size)
        reply(0x8180, b"".join(head + ip for ip in ips), len(ips))
    elif what == "only6":
        reply(0x8180, b"\xc0\x0c" + struct.pack("!HHIH", 28, 1, 60, 16) + bytes(15) + b"\1", 1)
    elif what in ("good", "late", "slow", "only4"):
        if kind == 1:
            reply(0x8180, b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4) + address, 1)
        else:
            reply(0x8180)
    else:
        reply(0x8183)


# --- the cases ---

GENEROUS = 60.0


def timed(name, timeout):
    """The result of a query, and the time it took."""
    begun = time.monotonic()
    try:
        got = usocket.getaddrinfo(name, 80, 0, usocket.SOCK_STREAM, timeout=timeout)[0][4]
    except OSError as e:
        got = e
    return got, time.monotonic() - begun


def times_out(name, timeout):
    got, took = timed(name, timeout)
    assert isinstance(got, TimeoutError), (name, got)
    # Without a deadline it would be five or ten seconds.
    assert timeout <= took < timeout + 3, (name, took)


def good():
    assert timed("good.test", GENEROUS)[0] == ("127.0.0.7", 80)
    assert timed("good.test", None)[0] == ("127.0.0.7", 80)
    got, _ = timed("missing.test", GENEROUS)
    assert isinstance(got, usocket.gaierror) and got.args[0] == usocket.EAI_NONAME < 0, got


def late():
    got, took = timed("late.test", GENEROUS)
    assert got == ("127.0.0.7", 80) and took >= 0.3, (got, took)
    times_out("late.test", 0.1)


def never():
    times_out("never.test", 0.3)


def garbage():
    times_out("garbage.test", 0.3)


def truncated():
    got, took = timed("truncated.test", 0.3)
    assert isinstance(got, OSError) and took < 3.3, (got, took)


def interrupted():
    """Ctrl-C ends a query; other signals neither end nor lengthen it."""

    def ctrl_c(*_):
        raise KeyboardInterrupt

    signal.signal(signal.SIGALRM, ctrl_c)
    begun = time.monotonic()
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        usocket.getaddrinfo("never.test", 80)
    except KeyboardInterrupt:
        assert time.monotonic() - begun < 3
    else:
        raise AssertionError("not interrupted")
    signal.signal(signal.SIGALRM, lambda *_: None)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    times_out("never.test", 0.5)
    got, _ = timed("late.test", GENEROUS)
    signal.setitimer(signal.ITIMER_REAL, 0)
    assert got == ("127.0.0.7", 80), got


def pollable():
    """A query as a handle: polled, taken, cancelled."""
    ask = (0, usocket.SOCK_STREAM, 0, 0)
    never, late = (lib.usocket_query_create(n, b"80", *ask) for n in (b"never.test", b"late.test"))
    assert never > 0 and late > 0
    answers = ctypes.c_void_p()
    assert lib.usocket_query_result(never, 0, ctypes.byref(answers)) == -errno.EAGAIN
    assert lib.usocket_query_result(never, 50_000, ctypes.byref(answers)) == -errno.ETIMEDOUT
    set_ = (PollFd * 2)(PollFd(never, -1, 1, 0), PollFd(late, -1, 1, 0))
    while (n := lib.usocket_poll(set_, 2, 60_000_000)) == -errno.EINTR:
        pass
    assert n == 1 and (set_[0].revents, set_[1].revents) == (0, 1)
    for _ in range(2):  # The answer can be taken more than once.
        assert lib.usocket_query_result(late, 0, ctypes.byref(answers)) == 0
        assert lib.usocket_freeaddrinfo(answers) == 0
    # Closing cancels a query, also while a thread waits for it.
    ended = []
    thread = threading.Thread(
        target=lambda: ended.append(lib.usocket_query_result(never, -1, ctypes.byref(answers)))
    )
    thread.start()
    assert lib.usocket_close(never) == 0 and lib.usocket_close(late) == 0
    thread.join(GENEROUS)
    assert ended == [-errno.EBADF], ended
    assert lib.usocket_query_result(never, 0, ctypes.byref(answers)) == -errno.EBADF


def threads():
    """The number of the library's own threads."""
    count = 0
    for comm in glob.glob("/proc/self/task/*/comm"):
        with contextlib.suppress(OSError):  # It has ended meanwhile.
            with open(comm) as f:
                count += f.read().strip() in ("usocket-resolve", "usocket-poll")
    return count


def descriptors():
    return len(os.listdir("/proc/self/fd"))


def abandoned():
    """An abandoned query holds only its thread's descriptor, and delays no other."""
    before = descriptors()
    ask = (0, usocket.SOCK_STREAM, 0, 0)
    for _ in range(300):
        query = lib.usocket_query_create(b"never.test", b"80", *ask)
        assert query > 0, query
        assert lib.usocket_close(query) == 0
    for _ in range(20):
        times_out("never.test", 0.01)
    # One for each thread of the pool; far below the 320 that were asked for.
    assert descriptors() <= before + 64, (descriptors(), before)
    assert threads() <= 64
    for name in ("localhost", "127.0.0.1", "::1"):
        got, took = timed(name, GENEROUS)
        assert got[1] == 80 and took < 3, (name, got, took)


def idle():
    """Threads end when there is nothing to do."""
    ask = (0, usocket.SOCK_STREAM, 0, 0)
    for _ in range(2):
        answers, seen = ctypes.c_void_p(), 0
        until = time.monotonic() + GENEROUS
        while not seen and time.monotonic() < until:
            query = lib.usocket_query_create(b"late.test", b"80", *ask)
            # The thread gives itself its name, while the answer is late.
            while lib.usocket_query_result(query, 10_000, ctypes.byref(answers)) != 0:
                seen = max(seen, threads())
            assert lib.usocket_freeaddrinfo(answers) == 0 and lib.usocket_close(query) == 0
        assert seen >= 1
        while threads() and time.monotonic() < until:
            time.sleep(0.1)
        assert threads() == 0


def many():
    """Two hundred healthy names at a server that takes a tenth of a second."""
    begun = time.monotonic()
    ask = (usocket.AF_INET, usocket.SOCK_STREAM, 0, 0)
    queries = [
        lib.usocket_query_create(f"slow.n{n}.test".encode(), b"80", *ask) for n in range(200)
    ]
    for query in queries:
        answers = ctypes.c_void_p()
        assert lib.usocket_query_result(query, 60_000_000, ctypes.byref(answers)) == 0
        assert lib.usocket_freeaddrinfo(answers) == 0
        assert lib.usocket_close(query) == 0
    took = time.monotonic() - begun
    # One after another it would be twenty seconds; by four threads it was five.
    assert took < 4.5, took


def dead():
    """A thousand queries of dead names: a live one takes no longer than alone."""
    ask = (0, usocket.SOCK_STREAM, 0, 0)
    alone = timed("good.test", GENEROUS)[1]
    before = descriptors()
    queries = [
        lib.usocket_query_create(f"never.n{n}.test".encode(), b"80", *ask) for n in range(1000)
    ]
    assert all(query > 0 for query in queries)
    # Each handle has one of its own.
    assert descriptors() <= before + 1000 + 64, descriptors() - before
    for _ in range(20):
        got, took = timed("good.test", GENEROUS)
        assert got == ("127.0.0.7", 80) and took < max(3, 5 * alone), (got, took, alone)
    query = lib.usocket_query_create(b"good.test", b"80", *ask)
    answers = ctypes.c_void_p()
    begun = time.monotonic()
    assert lib.usocket_query_result(query, 60_000_000, ctypes.byref(answers)) == 0
    assert time.monotonic() - begun < max(3, 5 * alone)
    for query in queries:
        assert lib.usocket_close(query) == 0
    until = time.monotonic() + GENEROUS
    while descriptors() > before + 2 and time.monotonic() < until:
        time.sleep(0.1)
    assert descriptors() <= before + 2


def bound():
    """As many threads as are allowed, and no more; further queries wait for their turn."""
    for bad in (0, -1, 1025, 2**31 - 1):
        assert lib.usocket_set_resolver_threads(bad) == -errno.EINVAL
    ask = (0, usocket.SOCK_STREAM, 0, 0)
    answers = ctypes.c_void_p()
    for most, dead in ((8, 40), (200, 180)):
        assert lib.usocket_set_resolver_threads(most) == 0
        queries = [
            lib.usocket_query_create(f"never.n{n}.test".encode(), b"80", *ask) for n in range(dead)
        ]
        live = lib.usocket_query_create(b"good.test", b"80", *ask)
        assert lib.usocket_query_result(live, 60_000_000, ctypes.byref(answers)) == 0
        assert lib.usocket_freeaddrinfo(answers) == 0
        # All dead names hold a thread, but for the quarter that is kept for others.
        want = most - most // 4
        until = time.monotonic() + GENEROUS
        while not want <= threads() <= most and time.monotonic() < until:
            time.sleep(0.01)
        assert want <= threads() <= most, threads()
        for query in (*queries, live):
            assert lib.usocket_close(query) == 0
    # Those too many end when they are free.
    assert lib.usocket_set_resolver_threads(1) == 0
    assert timed("good.test", GENEROUS)[0] == ("127.0.0.7", 80)
    until = time.monotonic() + GENEROUS
    while threads() > 1 and time.monotonic() < until:
        time.sleep(0.1)
    assert threads() <= 1


def search():
    """Unqualified names follow the search list of resolv.conf, as in the C library."""
    replace_file("/etc/resolv.conf", "nameserver 127.0.0.1\nsearch none.test only.test\n")
    asked.clear()
    assert timed("alias", GENEROUS)[0] == ("127.0.0.7", 80)
    assert set(asked) == {"alias.none.test", "alias.only.test"}, asked
    asked.clear()
    assert timed("good.", GENEROUS)[0] == ("127.0.0.7", 80)
    assert set(asked) == {"good"}, asked


def servers():
    """A server that refuses or says nothing is followed by the next."""
    conf = "nameserver 127.0.0.9\nnameserver 127.0.0.10\nnameserver 127.0.0.1\noptions timeout:1\n"
    replace_file("/etc/resolv.conf", conf)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mute:
        mute.bind(("127.0.0.10", 53))
        got, took = timed("good.test", GENEROUS)
        assert got == ("127.0.0.7", 80) and 0.9 < took < 5, (got, took)
        got, took = timed("broken.test", GENEROUS)
        assert got.args[0] == usocket.EAI_AGAIN, got


def alike():
    """Both ways give the C library's results: addresses, order, kinds and codes."""
    names = "good alias.only many big chain missing empty only".split()
    names = [f"{name}.test" for name in names]
    for name in names:
        for family in (0, usocket.AF_INET, usocket.AF_INET6):
            for kind in (0, usocket.SOCK_STREAM):
                for flags in (0, 2, 1):  # AI_CANONNAME, AI_PASSIVE
                    args = (name, 80, family, kind, 0, flags)
                    got = outcome(usocket.getaddrinfo, usocket.gaierror, args)
                    want = outcome(socket.getaddrinfo, socket.gaierror, args)
                    if (got, name) == (-5, "alias.only.test"):
                        got = -2  # glibc says so of an alias of a name without such addresses.
                    assert got == want, (args, got, want)


def outcome(function, error, args):
    try:
        return [tuple(answer) for answer in function(*args)]
    except error as e:
        return e.args[0]


def half_an_answer():
    """Connecting begins with the first answer, and does not need the other."""
    with usocket.create_server(("127.0.0.7", 0)) as four:
        port = four.getsockname()[1]
        with usocket.create_server(("::1", port), family=usocket.AF_INET6) as six:
            for name, server in (("only4.test", four), ("only6.test", six), ("good.test", four)):
                begun = time.monotonic()
                with usocket.create_connection((name, port), GENEROUS) as s:
                    # Left to itself, the C library asks for ten seconds.
                    assert time.monotonic() - begun < 3, (name, time.monotonic() - begun)
                    assert s.getpeername()[:2] == server.getsockname()[:2], name
                server.accept()[0].close()
    # The failure is about the addresses found.
    try:
        usocket.create_connection(("only4.test", port), 0.5)
    except ConnectionRefusedError:
        pass
    else:
        raise AssertionError("refused")


def reverse():
    """The names of addresses: within the time, from the name server."""
    host = ctypes.create_string_buffer(64)

    def ask(address, flags, timeout):
        addr = encode(usocket.AF_INET, (address, 80))
        begun = time.monotonic()
        code = lib.usocket_getnameinfo(
            ctypes.byref(addr), host, 64, None, 0, flags, int(timeout * 1e6)
        )
        return code, time.monotonic() - begun

    code, took = ask("192.0.2.9", 0, 0.3)
    assert code == -errno.ETIMEDOUT and 0.3 <= took < 3, (code, took)
    name_required = 8  # NI_NAMEREQD
    assert ask("192.0.2.5", name_required, GENEROUS)[0] == usocket.EAI_NONAME - 20000
    assert ask("192.0.2.5", 0, GENEROUS)[0] == 0 and host.value == b"192.0.2.5"
    assert ask("192.0.2.7", name_required, GENEROUS)[0] == 0 and host.value == b"seven.test"


def namespace():
    """A lookup is done in the network namespace of the thread that asks."""
    assert timed("good.test", GENEROUS)[0] == ("127.0.0.7", 80)
    got = []

    def elsewhere():
        call("unshare", CLONE_NEWNET)
        loopback_up()
        start_server(b"\x7f\0\0\x08")
        got.append(timed("good.test", GENEROUS)[0])

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert got == [("127.0.0.8", 80)], got
    assert timed("good.test", GENEROUS)[0] == ("127.0.0.7", 80)


def across_fork():
    """A query that is under way at a fork goes on in both; what the child does is its own."""
    ask = (0, usocket.SOCK_STREAM, 0, 0)
    never, late = (lib.usocket_query_create(n, b"80", *ask) for n in (b"never.test", b"late.test"))
    answers = ctypes.c_void_p()
    out = ctypes.byref(answers)
    child = os.fork()
    if child == 0:
        try:
            begun = time.monotonic()
            assert lib.usocket_query_result(never, 300_000, out) == -errno.ETIMEDOUT
            assert 0.3 <= time.monotonic() - begun < 3
            assert time.process_time() < 1
            assert lib.usocket_query_result(late, 60_000_000, out) == 0
            assert lib.usocket_query_result(late, 0, out) == 0
            assert lib.usocket_close(never) == 0 and lib.usocket_close(late) == 0
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    set_ = (PollFd * 1)(PollFd(never, -1, 1, 0))
    assert lib.usocket_poll(set_, 1, 0) == 0, set_[0].revents
    begun = time.monotonic()
    assert lib.usocket_query_result(never, 0, out) == -errno.EAGAIN
    assert time.monotonic() - begun < 3  # Left to itself it would be five seconds.
    assert lib.usocket_query_result(late, 60_000_000, out) == 0
    # One that is answered at the fork is answered in the child, without asking anybody.
    child = os.fork()
    if child == 0:
        os._exit(-lib.usocket_query_result(late, 0, out))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def fork():
    """A child has none of its parent's threads, and asks all the same."""
    assert timed("good.test", GENEROUS)[0] == ("127.0.0.7", 80)
    for _ in range(4):
        times_out("never.test", 0.02)  # All of the parent's threads are busy.
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if timed("good.test", 5.0)[0] == ("127.0.0.7", 80) else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def forks():
    """Children of a process whose threads ask all the time ask as well, and none of them hangs."""
    stop = threading.Event()
    failed = []

    def ask():
        while not stop.is_set():
            got = timed("good.test", GENEROUS)[0]
            if got != ("127.0.0.7", 80):
                failed.append(got)

    asking = [threading.Thread(target=ask) for _ in range(3)]
    for thread in asking:
        thread.start()
    answers = ctypes.c_void_p()
    out = ctypes.byref(answers)
    for _ in range(100):
        query = lib.usocket_query_create(b"good.test", b"80", 0, usocket.SOCK_STREAM, 0, 0)
        child = os.fork()
        if child == 0:
            signal.alarm(30)
            code = lib.usocket_query_result(query, 20_000_000, out)
            code = code or lib.usocket_getaddrinfo(
                b"good.test", b"80", 0, usocket.SOCK_STREAM, 0, 0, 20_000_000, out
            )
            os._exit(0 if code == 0 and lib.usocket_close(query) == 0 else 1)
        assert lib.usocket_query_result(query, 20_000_000, out) == 0
        assert lib.usocket_close(query) == 0
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    stop.set()
    for thread in asking:
        thread.join()
    assert not failed, failed


def allow_descriptors(n):
    """These cases ask a thousand questions at a time."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (n, n if 0 <= hard < n else hard))
    except (OSError, ValueError):
        sys.exit(77)


if __name__ == "__main__":
    if sys.argv[1] in ("dead", "bound"):
        allow_descriptors(4096)
    make_world()
    import usocket
    from usocket._address import encode
    from usocket._lib import PollFd, lib

    globals()[sys.argv[1]]()
