"""Sockets: made, closed, and their descriptors."""

import copy
import errno
import gc
import os
import sys
import pickle
import socket
import threading
import warnings

import pytest
import usocket

# The constructor


def test_the_defaults_are_tcp_over_ipv4(make):
    s = make()
    assert (s.family, s.type, s.proto) == (
        usocket.AF_INET,
        usocket.SOCK_STREAM,
        usocket.IPPROTO_TCP,
    )
    assert s.gettimeout() is None


def test_the_arguments_are_family_type_and_protocol_in_that_order(make):
    s = make(usocket.AF_INET6, usocket.SOCK_DGRAM, usocket.IPPROTO_UDP)
    assert (s.family, s.type, s.proto) == (
        usocket.AF_INET6,
        usocket.SOCK_DGRAM,
        usocket.IPPROTO_UDP,
    )


@pytest.mark.parametrize("name", ["af", "family"])
def test_the_arguments_have_the_names_of_micropython_and_cpython(make, name):
    s = make(**{name: usocket.AF_UNIX, "type": usocket.SOCK_DGRAM, "proto": 0})
    assert (s.family, s.type, s.proto) == (usocket.AF_UNIX, usocket.SOCK_DGRAM, 0)


def test_the_type_selects_the_protocol(make):
    assert make(usocket.AF_INET, usocket.SOCK_STREAM).proto == usocket.IPPROTO_TCP
    assert make(usocket.AF_INET, usocket.SOCK_DGRAM).proto == usocket.IPPROTO_UDP
    assert make(usocket.AF_INET6, usocket.SOCK_DGRAM).proto == usocket.IPPROTO_UDP


def test_the_kernel_agrees_about_family_type_and_protocol(make):
    s = make(usocket.AF_INET6, usocket.SOCK_DGRAM)
    asked = [usocket.SO_DOMAIN, usocket.SO_TYPE, usocket.SO_PROTOCOL]
    assert [s.getsockopt(usocket.SOL_SOCKET, what) for what in asked] == [
        s.family,
        s.type,
        s.proto,
    ]


@pytest.mark.parametrize("args", [(None,), (2, None), (2, 1, None), ("2",), (2.0,)])
def test_an_argument_that_is_no_integer_is_a_type_error(args):
    with pytest.raises(TypeError):
        usocket.socket(*args)


@pytest.mark.parametrize("args", [(1 << 40,), (2, -(1 << 31) - 1), (2, 1, 1 << 31)])
def test_an_argument_beyond_a_c_int_is_an_overflow_error(args):
    with pytest.raises(OverflowError):
        usocket.socket(*args)


def test_an_unknown_family_type_or_protocol_is_an_os_error():
    for args in [(9999,), (usocket.AF_INET, 99), (usocket.AF_INET, usocket.SOCK_STREAM, 17)]:
        with pytest.raises(OSError) as e:
            usocket.socket(*args)
        assert e.value.errno in (errno.EAFNOSUPPORT, errno.EINVAL, errno.EPROTONOSUPPORT)


def test_nonblock_and_cloexec_in_the_type_set_the_mode_and_do_not_stay_in_it(make):
    s = make(usocket.AF_INET, usocket.SOCK_STREAM | usocket.SOCK_NONBLOCK | usocket.SOCK_CLOEXEC)
    assert (s.type, s.gettimeout(), s.getblocking()) == (usocket.SOCK_STREAM, 0.0, False)


def test_raw_sockets_where_they_are_allowed(make):
    try:
        s = make(usocket.AF_INET, usocket.SOCK_RAW, usocket.IPPROTO_ICMP)
    except PermissionError as e:
        assert e.errno == errno.EPERM
    else:
        assert (s.type, s.proto) == (usocket.SOCK_RAW, usocket.IPPROTO_ICMP)


def test_descriptors_are_not_inherited(make):
    assert not os.get_inheritable(make().fileno())


# IPPROTO_SEC


def test_ipproto_sec_makes_a_tcp_socket_that_carries_nothing_before_it_is_wrapped(make, listener):
    s = make(usocket.AF_INET, usocket.SOCK_STREAM, usocket.IPPROTO_SEC)
    assert s.proto == usocket.IPPROTO_SEC
    assert s.getsockopt(usocket.SOL_SOCKET, usocket.SO_PROTOCOL) == usocket.IPPROTO_TCP
    s.connect(listener.getsockname())
    for use in (
        lambda: s.send(b"x"),
        lambda: s.sendall(b"x"),
        lambda: s.write(b"x"),
        lambda: s.recv(1),
        lambda: s.read(1),
        lambda: s.readline(),
        lambda: s.recv_into(bytearray(1)),
    ):
        with pytest.raises(usocket.SSLError, match="IPPROTO_SEC") as e:
            use()
        assert e.value.code == -10001 and isinstance(e.value, OSError)


def test_ipproto_sec_is_for_streams_over_ip():
    for args in [(usocket.AF_INET, usocket.SOCK_DGRAM), (usocket.AF_UNIX, usocket.SOCK_STREAM)]:
        with pytest.raises(OSError) as e:
            usocket.socket(*args, usocket.IPPROTO_SEC)
        assert e.value.errno == errno.EPROTONOSUPPORT


# close


def test_after_close_every_operation_fails_with_ebadf(make):
    s = make()
    s.close()
    operations = [
        lambda: s.accept(),
        lambda: s.bind(("127.0.0.1", 0)),
        lambda: s.connect(("127.0.0.1", 1)),
        lambda: s.dup(),
        lambda: s.getpeername(),
        lambda: s.getsockname(),
        lambda: s.getsockopt(usocket.SOL_SOCKET, usocket.SO_TYPE),
        lambda: s.getsockopt(usocket.SOL_SOCKET, usocket.SO_TYPE, 4),
        lambda: s.listen(),
        lambda: s.makefile(),
        lambda: s.read(0),
        lambda: s.read(1),
        lambda: s.readall(),
        lambda: s.readinto(bytearray(1)),
        lambda: s.readinto(bytearray(0)),
        lambda: s.readline(),
        lambda: s.recv(1),
        lambda: s.recv_into(bytearray(1)),
        lambda: s.recvfrom(1),
        lambda: s.recvfrom_into(bytearray(1)),
        lambda: s.recvmsg(1),
        lambda: s.recvmsg_into([bytearray(1)]),
        lambda: s.send(b"x"),
        lambda: s.sendmsg([b"x"]),
        lambda: s.sendall(b"x"),
        lambda: s.sendall(b""),
        lambda: s.sendto(b"x", ("127.0.0.1", 1)),
        lambda: s.setblocking(False),
        lambda: s.setsockopt(usocket.SOL_SOCKET, usocket.SO_REUSEADDR, 1),
        lambda: s.setsockopt(usocket.SOL_SOCKET, usocket.SO_REUSEADDR, b"\1\0\0\0"),
        lambda: s.settimeout(1),
        lambda: s.shutdown(usocket.SHUT_RDWR),
        lambda: s.write(b"x"),
    ]
    for number, operation in enumerate(operations):
        with pytest.raises(OSError) as e:
            operation()
        assert e.value.errno == errno.EBADF, number
    assert s.connect_ex(("127.0.0.1", 1)) == errno.EBADF


def test_close_twice_is_fine_and_does_not_close_a_stranger(make):
    s = make()
    s.close()
    stranger = make()
    s.close()
    assert stranger.fileno() >= 0 and os.fstat(stranger.fileno())


def test_fileno_is_the_descriptor_and_minus_one_after_close(make):
    s = make()
    assert s.fileno() >= 0 and os.readlink(f"/proc/self/fd/{s.fileno()}").startswith("socket:")
    s.close()
    assert s.fileno() == -1


def test_the_remote_end_receives_the_queued_data_and_then_the_end(tcp):
    client, server = tcp
    client.sendall(b"last words")
    client.close()
    assert server.readall() == b"last words"
    assert server.recv(10) == b""


def test_closing_ends_what_another_thread_is_blocked_in(tcp, run):
    client, _ = tcp
    seen, inside = [], threading.Event()

    def block():
        inside.set()
        with pytest.raises(OSError) as e:
            client.recv(1)
        seen.append(e.value.errno)

    thread = run(block)
    inside.wait()
    client.close()
    thread.join()
    assert seen == [errno.EBADF]


def test_a_dropped_socket_is_closed_with_a_resource_warning():
    s = usocket.socket()
    fd = s.fileno()
    with pytest.warns(ResourceWarning, match="unclosed <usocket.socket fd="):
        del s
        gc.collect()
    with pytest.raises(OSError):
        os.fstat(fd)


def test_a_dropped_socket_is_closed_where_warnings_are_errors(monkeypatch):
    raised = []
    monkeypatch.setattr(sys, "unraisablehook", lambda what: raised.append(what.exc_type))
    s = usocket.socket()
    fd = s.fileno()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        del s
        gc.collect()
    assert raised == [ResourceWarning]
    with pytest.raises(OSError):
        os.fstat(fd)


def test_a_thousand_dropped_sockets_leave_no_descriptor():
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        for _ in range(1000):
            usocket.socket()
        gc.collect()
    assert len(os.listdir("/proc/self/fd")) <= before


def test_a_socket_whose_constructor_failed_can_be_dropped():
    with pytest.raises(OSError):
        usocket.socket(9999)
    gc.collect()  # An exception in __del__ would be a failure here.


def test_with_closes_also_after_an_exception():
    with usocket.socket() as s:
        assert s.fileno() >= 0
    assert s.fileno() == -1
    with pytest.raises(ZeroDivisionError):
        with usocket.socket() as s:
            1 / 0
    assert s.fileno() == -1


def test_repr_says_what_it_is(tcp):
    client, _ = tcp
    assert repr(client) == (
        f"<usocket.socket fd={client.fileno()}, family={usocket.AF_INET}, type="
        f"{usocket.SOCK_STREAM}, proto={usocket.IPPROTO_TCP}, laddr={client.getsockname()!r}, "
        f"raddr={client.getpeername()!r}>"
    )
    client.close()
    assert repr(client) == "<usocket.socket [closed]>"


def test_the_attributes_stay_after_close_and_are_read_only(make):
    s = make()
    s.close()
    assert (s.family, s.type, s.proto) == (2, 1, 6)
    for name in ("family", "type", "proto", "nonsense"):
        with pytest.raises(AttributeError):
            setattr(s, name, 1)


def test_a_socket_cannot_be_copied_or_pickled(make):
    s = make()
    for use in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="cannot pickle"):
            use(s)


def test_new_sockets_have_the_default_timeout(keep, listener):
    assert usocket.getdefaulttimeout() is None
    try:
        usocket.setdefaulttimeout(7.5)
        assert usocket.getdefaulttimeout() == 7.5
        client = keep(usocket.socket())
        client.connect(listener.getsockname())
        conn, _ = listener.accept()
        a, b = usocket.socketpair()
        for s in (client, conn, a, b):
            assert keep(s).gettimeout() == 7.5
        with pytest.raises(ValueError):
            usocket.setdefaulttimeout(-1)
    finally:
        usocket.setdefaulttimeout(None)
    assert keep(usocket.socket()).gettimeout() is None


# Descriptors


def test_what_another_program_gets_can_be_chosen(make):
    s = make()
    assert not s.get_inheritable()
    s.set_inheritable(True)
    assert s.get_inheritable() and os.get_inheritable(s.fileno())
    s.close()
    with pytest.raises(OSError):
        s.get_inheritable()


def test_detach_gives_the_descriptor_open_and_the_socket_closed(make):
    s = make()
    fd = s.detach()
    try:
        assert s.fileno() == -1 and os.fstat(fd)
        with pytest.raises(OSError):
            s.listen()
    finally:
        os.close(fd)


def test_detach_of_a_closed_socket_gives_minus_one(make):
    s = make()
    os.close(s.detach())
    assert s.detach() == -1
    s = make()
    s.close()
    assert s.detach() == -1


class Own(usocket.socket):
    """A class of a program's own."""

    __slots__ = ("extra",)

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.extra = []


def test_a_duplicate_has_the_class_of_its_socket(keep, listener):
    s = keep(Own())
    s.connect(listener.getsockname())
    s.settimeout(5)
    copy = keep(s.dup())
    assert type(copy) is Own and copy.extra == [] and copy.extra is not s.extra
    assert (copy.gettimeout(), copy.getpeername()) == (5, listener.getsockname())
    copy.send(b"x")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        s.dup().close()
    assert len(os.listdir("/proc/self/fd")) <= before
    # IPPROTO_SEC is preserved.
    secret = keep(Own(usocket.AF_INET, usocket.SOCK_STREAM, usocket.IPPROTO_SEC))
    assert keep(secret.dup()).proto == usocket.IPPROTO_SEC


def test_the_errors_of_wrong_arguments_name_the_class_that_programs_know(make, tls):
    s = make()
    calls = {"socket.recv": s.recv, "socket.setsockopt": s.setsockopt, "socket.write": s.write}
    calls.update({"socket.sendmsg": s.sendmsg})
    calls["SSLSocket.export_keying_material"] = tls[0].export_keying_material
    calls["SSLContext.set_ciphers"] = tls[0].context.set_ciphers
    for name, call in calls.items():
        assert call.__qualname__ == name
        with pytest.raises(TypeError, match=rf"{name.split('.')[1]}\(\)"):
            call()


def test_fileno_in_the_constructor_takes_a_descriptor_over(make):
    other = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    other.setblocking(False)
    s = make(fileno=other.detach())
    assert (s.family, s.type, s.gettimeout()) == (usocket.AF_UNIX, usocket.SOCK_DGRAM, 0.0)


def test_from_fd_takes_a_descriptor_over(keep):
    a, b = socket.socketpair()
    with b:
        s = keep(usocket.from_fd(a.detach()))
        s.send(b"hi")
        assert b.recv(10) == b"hi"


def test_fromfd_duplicates_a_descriptor(keep):
    a, b = socket.socketpair()
    with a, b:
        s = keep(usocket.fromfd(a.fileno(), usocket.AF_UNIX, usocket.SOCK_STREAM))
        assert s.fileno() != a.fileno()
        s.close()
        a.send(b"still open")
        assert b.recv(20) == b"still open"


def test_a_descriptor_that_is_no_socket_stays_the_callers():
    with open(os.devnull, "rb") as f:
        before = len(os.listdir("/proc/self/fd"))
        for make_one in (
            lambda: usocket.from_fd(f.fileno()),
            lambda: usocket.fromfd(f.fileno(), 2, 1),
            lambda: usocket.socket(fileno=f.fileno()),
        ):
            with pytest.raises(OSError) as e:
                make_one()
            assert e.value.errno == errno.ENOTSOCK
        assert len(os.listdir("/proc/self/fd")) <= before
    with pytest.raises(OSError) as e:
        usocket.from_fd(1_000_000)
    assert e.value.errno == errno.EBADF
    with pytest.raises(ValueError):
        usocket.from_fd(-1)
    with pytest.raises(TypeError):
        usocket.from_fd("1")


def test_dup_is_a_second_socket_on_the_same_connection(pair, keep):
    a, b = pair
    a.settimeout(7)
    twin = keep(a.dup())
    assert (twin.family, twin.type, twin.proto) == (a.family, a.type, a.proto)
    assert twin.gettimeout() == 7.0 and twin.fileno() != a.fileno()
    a.close()
    twin.send(b"from the twin")
    assert b.recv(20) == b"from the twin"


def test_socketpair_is_two_connected_sockets(keep):
    a, b = usocket.socketpair()
    keep(a), keep(b)
    assert (a.family, a.type) == (usocket.AF_UNIX, usocket.SOCK_STREAM)
    a.send(b"to b")
    b.send(b"to a")
    assert (a.recv(10), b.recv(10)) == (b"to a", b"to b")
    c, d = usocket.socketpair(usocket.AF_UNIX, usocket.SOCK_DGRAM | usocket.SOCK_NONBLOCK, 0)
    keep(c), keep(d)
    assert (c.type, c.gettimeout(), d.gettimeout()) == (usocket.SOCK_DGRAM, 0.0, 0.0)
    with pytest.raises(OSError) as e:
        usocket.socketpair(usocket.AF_INET)
    assert e.value.errno == errno.EOPNOTSUPP
