"""uselect.poll."""

import errno
import os
import resource
import socket
import time

import pytest
import uselect
import usocket
from conftest import fill
from uselect import POLLERR, POLLHUP, POLLIN, POLLNVAL, POLLOUT


@pytest.fixture
def poller():
    return uselect.poll()


def test_poll_gives_pairs_of_object_and_events(poller, pair):
    a, b = pair
    poller.register(b, POLLIN)
    assert poller.poll(0) == []
    a.send(b"x")
    ((obj, events),) = poller.poll(1000)
    assert obj is b and events == POLLIN


def test_the_default_mask_is_in_and_out(poller, pair):
    a, b = pair
    poller.register(b)
    assert poller.poll(0) == [(b, POLLOUT)]
    a.send(b"x")
    assert poller.poll(0) == [(b, POLLIN | POLLOUT)]


def test_the_documented_way_to_wait_with_a_timeout(poller, pair):
    a, b = pair
    poller.register(b, POLLIN)
    begun = time.monotonic()
    assert not poller.poll(50)
    assert time.monotonic() - begun >= 0.05
    a.send(b"x")
    assert poller.poll(1000)


@pytest.mark.parametrize("forever", [(), (-1,), (None,), (-5,)])
def test_without_a_timeout_it_waits_for_an_event(poller, pair, run, forever):
    a, b = pair
    poller.register(b, POLLIN)
    run(a.send, b"x")
    assert poller.poll(*forever) == [(b, POLLIN)]


def test_registering_again_is_modify(poller, pair):
    _, b = pair
    poller.register(b, POLLIN)
    poller.register(b, POLLOUT)
    assert poller.poll(0) == [(b, POLLOUT)]


def test_modify(poller, pair):
    _, b = pair
    poller.register(b, POLLOUT)
    poller.modify(b, POLLIN)
    assert poller.poll(0) == []
    poller.modify(b, POLLOUT)
    assert poller.poll(0) == [(b, POLLOUT)]


def test_modify_takes_exactly_two_arguments(poller, pair):
    poller.register(pair[0])
    for args in [(pair[0],), (pair[0], POLLIN, 1)]:
        with pytest.raises(TypeError):
            poller.modify(*args)


def test_modify_of_an_unknown_object_is_enoent(poller, pair):
    for unknown in (pair[0], 77, object()):
        with pytest.raises(OSError) as e:
            poller.modify(unknown, POLLIN)
        assert e.value.errno == errno.ENOENT


def test_unregister(poller, pair):
    poller.register(pair[0])
    poller.unregister(pair[0])
    assert poller.poll(0) == []
    poller.unregister(pair[0])  # MicroPython does not mind.
    with pytest.raises(OSError):
        poller.modify(pair[0], POLLIN)


def test_ipoll_is_an_iterator(poller, pair):
    a, b = pair
    poller.register(a, POLLOUT)
    poller.register(b, POLLOUT)
    iterator = poller.ipoll(0)
    assert iter(iterator) is iterator
    assert list(iterator) == [(a, POLLOUT), (b, POLLOUT)]
    poller.modify(a, POLLIN)
    poller.modify(b, POLLIN)
    assert list(poller.ipoll(0)) == []


@pytest.mark.parametrize("method", ["poll", "ipoll"])
def test_flag_1_is_one_shot(poller, pair, method):
    a, b = pair
    poll = getattr(poller, method)
    poller.register(a, POLLOUT)
    poller.register(b, POLLIN)
    assert list(poll(0, 1)) == [(a, POLLOUT)]
    assert list(poll(0, 1)) == []
    a.send(b"x")
    assert list(poll(0)) == [(b, POLLIN)]
    poller.modify(a, POLLOUT)
    assert list(poll(0)) == [(a, POLLOUT), (b, POLLIN)]


def test_integers_are_descriptors(poller, pair):
    r, w = os.pipe()
    try:
        poller.register(r, POLLIN)
        assert poller.poll(0) == []
        os.write(w, b"x")
        assert poller.poll(0) == [(r, POLLIN)]
        poller.modify(r, POLLOUT)
        assert poller.poll(0) == []
        poller.unregister(r)
    finally:
        os.close(r)
        os.close(w)


def test_a_negative_descriptor_is_a_value_error(poller):
    with pytest.raises(ValueError):
        poller.register(-1)
    other = socket.socket()
    other.close()
    with pytest.raises(ValueError):
        poller.register(other)


def test_objects_with_a_fileno(poller):
    a, b = socket.socketpair()
    with a, b:
        poller.register(a, POLLIN)
        b.send(b"x")
        assert poller.poll(0) == [(a, POLLIN)]


@pytest.mark.parametrize("obj", [object(), "text", None, 1.5])
def test_objects_without_a_descriptor_are_a_type_error(poller, obj):
    with pytest.raises(TypeError):
        poller.register(obj)


def test_objects_are_themselves_and_not_what_they_are_equal_to(poller):
    class Equal:
        def __init__(self, fd):
            self.fd = fd

        def fileno(self):
            return self.fd

        def __eq__(self, other):
            return True

        __hash__ = None

    a, b = socket.socketpair()
    with a, b:
        one, two = Equal(a.fileno()), Equal(b.fileno())
        poller.register(one, POLLOUT)
        poller.register(two, POLLOUT)
        assert len(poller.poll(0)) == 2


def test_registering_a_closed_socket_is_ebadf(poller, make):
    s = make()
    s.close()
    with pytest.raises(OSError) as e:
        poller.register(s)
    assert e.value.errno == errno.EBADF


def test_a_socket_closed_while_registered_reports_pollnval(poller, pair):
    a, _ = pair
    poller.register(a, POLLIN)
    a.close()
    assert poller.poll(1000) == [(a, POLLNVAL)]
    assert POLLNVAL == 32


def test_when_the_descriptor_is_reused_no_strangers_events_are_reported(poller, keep):
    a, b = usocket.socketpair()
    fd = a.fileno()
    poller.register(a, POLLIN)
    a.close()
    b.close()
    c, d = usocket.socketpair()
    keep(c), keep(d)
    assert fd in (c.fileno(), d.fileno())
    c.send(b"x")
    d.send(b"x")
    assert poller.poll(0) == [(a, POLLNVAL)]


def test_closing_in_another_thread_ends_the_wait(poller, pair, run):
    a, _ = pair
    poller.register(a, POLLIN)
    run(a.close)
    assert poller.poll() == [(a, POLLNVAL)]


@pytest.mark.parametrize("mask", [-1, 1 << 15, 1 << 40])
def test_a_mask_out_of_range_is_a_value_error(poller, pair, mask):
    poller.register(pair[0])
    for use in (poller.register, poller.modify):
        with pytest.raises(ValueError):
            use(pair[0], mask)


@pytest.mark.parametrize("mask", ["1", None, 1.0])
def test_a_mask_of_the_wrong_type_is_a_type_error(poller, pair, mask):
    poller.register(pair[0])
    for use in (poller.register, poller.modify):
        with pytest.raises(TypeError):
            use(pair[0], mask)


@pytest.mark.parametrize("timeout", ["1", [], b"1"])
def test_a_timeout_of_the_wrong_type_is_a_type_error(poller, timeout):
    with pytest.raises(TypeError):
        poller.poll(timeout)


def test_an_empty_set_waits_for_the_timeout(poller):
    begun = time.monotonic()
    assert poller.poll(20) == []
    assert time.monotonic() - begun >= 0.02


# What sockets report


def test_a_fresh_tcp_socket_reports_out_and_hup(poller, make):
    s = make()
    poller.register(s)
    assert poller.poll(0) == [(s, POLLOUT | POLLHUP)] == [(s, 20)]


@pytest.mark.parametrize("mask, events", [(POLLOUT, 28), (POLLIN | POLLOUT, 29)])
def test_a_refused_connection_reports_error_and_hup(poller, make, mask, events):
    free, s = make(), make()
    free.bind(("127.0.0.1", 0))
    s.setblocking(False)
    assert s.connect_ex(free.getsockname()) in (errno.EINPROGRESS, errno.ECONNREFUSED)
    poller.register(s, mask)
    assert poller.poll(1000) == [(s, events)]
    assert s.getsockopt(usocket.SOL_SOCKET, usocket.SO_ERROR) == errno.ECONNREFUSED


def test_an_idle_udp_socket_reports_out(poller, udp):
    poller.register(udp)
    assert poller.poll(0) == [(udp, 4)]


def test_the_end_of_a_stream_is_readable_and_hup(poller, pair):
    a, b = pair
    poller.register(b, POLLIN)
    a.close()
    assert poller.poll(1000) == [(b, POLLIN | POLLHUP)]


def test_a_reset_reports_in_error_and_hup(poller, tcp):
    client, server = tcp
    server.setsockopt(usocket.SOL_SOCKET, usocket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    server.close()
    poller.register(client, POLLIN)
    assert poller.poll(1000) == [(client, POLLIN | POLLERR | POLLHUP)]


def test_a_listener_is_readable_when_someone_connects(poller, make, keep, listener):
    poller.register(listener, POLLIN)
    assert poller.poll(0) == []
    make().connect(listener.getsockname())
    assert poller.poll(1000) == [(listener, POLLIN)]
    keep(listener.accept()[0])
    assert poller.poll(0) == []


def test_a_full_socket_is_not_writable(poller, pair):
    a, b = pair
    poller.register(a, POLLOUT)
    sent = fill(a)
    assert poller.poll(0) == []
    b.read(sent)
    assert poller.poll(1000) == [(a, POLLOUT)]


def test_readline_leaves_polling_truthful(poller, pair):
    a, b = pair
    poller.register(b, POLLIN)
    a.write(b"one\ntwo\n")
    assert b.readline() == b"one\n"
    assert poller.poll(0) == [(b, POLLIN)]
    assert b.readline() == b"two\n"
    assert poller.poll(0) == []


def test_many_sockets_in_the_order_of_registration(poller, keep):
    pairs = [usocket.socketpair() for _ in range(100)]
    for a, b in pairs:
        keep(a), keep(b)
        poller.register(b, POLLIN)
    ready = pairs[3::7]
    for a, _ in ready:
        a.send(b"x")
    assert poller.poll(1000) == [(b, POLLIN) for _, b in ready]


def test_more_descriptors_than_the_limit_is_einval(poller):
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    few = 1000 if limit[1] < 0 else min(1000, limit[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, (few, limit[1]))
    try:
        for fd in range(few + 1):
            poller.register(fd, POLLIN)
        with pytest.raises(OSError) as e:
            poller.poll(0)
        assert e.value.errno == errno.EINVAL
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)
