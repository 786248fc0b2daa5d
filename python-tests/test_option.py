"""Options: the mode, setsockopt and getsockopt."""

import errno
import os
import struct

import pytest
import usocket

# The mode


def test_a_socket_begins_in_blocking_mode(make):
    s = make()
    assert s.gettimeout() is None and s.getblocking() and os.get_blocking(s.fileno())


@pytest.mark.parametrize("value", [0.5, 5, 1e-6, 3600.0, True])
def test_settimeout_in_seconds(make, value):
    s = make()
    s.settimeout(value)
    assert s.gettimeout() == value and type(s.gettimeout()) is float
    assert not os.get_blocking(s.fileno())


def test_settimeout_none_is_blocking_mode(make):
    s = make()
    s.settimeout(5)
    s.settimeout(None)
    assert s.gettimeout() is None and os.get_blocking(s.fileno())


@pytest.mark.parametrize("zero", [0, 0.0, -0.0, False])
def test_settimeout_zero_is_non_blocking_mode(pair, zero):
    a, _ = pair
    a.settimeout(zero)
    assert a.gettimeout() == 0.0 and not a.getblocking()
    with pytest.raises(BlockingIOError):
        a.recv(1)


def test_a_timeout_below_a_microsecond_is_one_and_not_non_blocking_mode(pair):
    a, _ = pair
    a.settimeout(1e-12)
    assert a.gettimeout() == 1e-6
    with pytest.raises(TimeoutError):
        a.recv(1)


@pytest.mark.parametrize("value", [-1, -0.5, -1e-300, float("nan"), float("-inf"), -(1 << 80)])
def test_a_negative_timeout_or_nan_is_a_value_error(make, value):
    s = make()
    s.settimeout(3)
    with pytest.raises(ValueError):
        s.settimeout(value)
    assert s.gettimeout() == 3.0


def test_an_infinite_timeout_is_never_over(pair):
    a, b = pair
    a.settimeout(float("inf"))
    assert a.gettimeout() > 1e12
    b.send(b"x")
    assert a.recv(1) == b"x"


@pytest.mark.parametrize("value", [1e300, 1 << 80])
def test_a_timeout_too_long_is_an_overflow_error(make, value):
    with pytest.raises(OverflowError):
        make().settimeout(value)


@pytest.mark.parametrize("value", ["1", b"1", [], 1j])
def test_a_timeout_of_the_wrong_type_is_a_type_error(make, value):
    with pytest.raises(TypeError):
        make().settimeout(value)


@pytest.mark.parametrize("flag, timeout", [(True, None), (1, None), (False, 0.0), (0, 0.0)])
def test_setblocking_is_short_for_settimeout(make, flag, timeout):
    s = make()
    s.settimeout(9)
    s.setblocking(flag)
    assert s.gettimeout() == timeout and os.get_blocking(s.fileno()) == bool(flag)


def test_setblocking_after_a_timeout_really_blocks(pair, run):
    a, b = pair
    b.settimeout(0.01)
    with pytest.raises(TimeoutError):
        b.recv(1)
    b.setblocking(True)
    assert b.getsockopt(usocket.SOL_SOCKET, usocket.SO_RCVTIMEO, 16) == bytes(16)
    received = []
    thread = run(lambda: received.append(b.recv(1)))
    thread.join(0.1)
    assert received == []
    a.send(b"x")
    thread.join()
    assert received == [b"x"]


def test_every_operation_keeps_the_timeout(pair, listener, udp):
    a, _ = pair
    for s, use in [
        (a, lambda s: s.recv(1)),
        (a, lambda s: s.recvfrom(1)),
        (a, lambda s: s.read(1)),
        (a, lambda s: s.sendall(bytes(20_000_000))),
        (a, lambda s: s.send(b"x")),
        (listener, lambda s: s.accept()),
        (udp, lambda s: s.recvfrom(1)),
    ]:
        s.settimeout(0.02)
        with pytest.raises(usocket.timeout) as e:
            use(s)
        assert e.value.errno == errno.ETIMEDOUT and isinstance(e.value, OSError)


# The system's options


def test_setsockopt_and_getsockopt_of_an_integer(make):
    s = make()
    assert s.getsockopt(usocket.SOL_SOCKET, usocket.SO_REUSEADDR) == 0
    s.setsockopt(usocket.SOL_SOCKET, usocket.SO_REUSEADDR, 1)
    assert s.getsockopt(usocket.SOL_SOCKET, usocket.SO_REUSEADDR) == 1
    s.setsockopt(usocket.SOL_SOCKET, usocket.SO_REUSEADDR, False)
    assert s.getsockopt(usocket.SOL_SOCKET, usocket.SO_REUSEADDR) == 0


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_setsockopt_of_a_buffer(make, kind):
    s = make()
    s.setsockopt(usocket.SOL_SOCKET, usocket.SO_LINGER, kind(struct.pack("ii", 1, 7)))
    value = s.getsockopt(usocket.SOL_SOCKET, usocket.SO_LINGER, 8)
    assert struct.unpack("ii", value) == (1, 7)


def test_getsockopt_with_a_buflen_gives_at_most_that_many_bytes(make):
    s = make()
    assert len(s.getsockopt(usocket.SOL_SOCKET, usocket.SO_TYPE, 100)) == 4
    assert len(s.getsockopt(usocket.SOL_SOCKET, usocket.SO_LINGER, 4)) == 4
    assert s.getsockopt(usocket.SOL_SOCKET, usocket.SO_TYPE, 4) == struct.pack("i", 1)
    assert s.getsockopt(usocket.SOL_SOCKET, usocket.SO_TYPE, 0) == 1


def test_options_of_tcp_ip_and_ipv6(make):
    s = make(usocket.AF_INET6)
    for level, name, value in [
        (usocket.IPPROTO_TCP, usocket.TCP_NODELAY, 1),
        (usocket.SOL_TCP, usocket.TCP_KEEPIDLE, 77),
        (usocket.IPPROTO_IPV6, usocket.IPV6_V6ONLY, 1),
        (usocket.SOL_SOCKET, usocket.SO_KEEPALIVE, 1),
    ]:
        s.setsockopt(level, name, value)
        assert s.getsockopt(level, name) == value


def test_option_errors(make):
    s = make()
    with pytest.raises(OSError) as e:
        s.setsockopt(usocket.SOL_SOCKET, 9999, 1)
    assert e.value.errno == errno.ENOPROTOOPT
    with pytest.raises(OSError) as e:
        s.getsockopt(usocket.SOL_SOCKET, 9999)
    assert e.value.errno == errno.ENOPROTOOPT
    with pytest.raises(OSError) as e:
        s.setsockopt(usocket.SOL_SOCKET, usocket.SO_LINGER, b"12")
    assert e.value.errno == errno.EINVAL
    with pytest.raises(ValueError):
        s.getsockopt(usocket.SOL_SOCKET, usocket.SO_TYPE, -1)
    with pytest.raises(OverflowError):
        s.setsockopt(usocket.SOL_SOCKET, usocket.SO_RCVBUF, 1 << 40)
    for args in [(1, 2), (1, 2, None), (1, 2, "1"), (1, 2, 1.0), ("1", 2, 1), (1, None, 1)]:
        with pytest.raises(TypeError):
            s.setsockopt(*args)
    for args in [(1,), ("1", 2), (1, 2, "4"), (1, 2, None)]:
        with pytest.raises(TypeError):
            s.getsockopt(*args)
