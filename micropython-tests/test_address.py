# Addresses: text and bytes, both ways.
import errno
import socket
from support import raises, raises_type

STOCK_IS_WRONG = [
    "test_a_host_name_is_no_address",
    "test_ports_are_never_truncated",
    "test_short_bytes_are_refused",
]


def test_inet():
    assert socket.inet_pton(socket.AF_INET, "1.2.3.4") == b"\1\2\3\4"
    assert socket.inet_ntop(socket.AF_INET, b"\x7f\0\0\1") == "127.0.0.1"
    assert socket.inet_ntop(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, "fe80::1")) == "fe80::1"
    raises(errno.EINVAL, socket.inet_pton, socket.AF_INET, "1.2.3")
    raises(97, socket.inet_ntop, 99, b"1234")  # EAFNOSUPPORT


def test_sockaddr():
    raw = bytes([socket.AF_INET, 0, 0x1F, 0x90, 127, 0, 0, 1]) + bytes(8)
    assert socket.sockaddr(raw) == (socket.AF_INET, b"\x7f\0\0\1", 8080)
    raw = bytes([socket.AF_INET6, 0, 0, 80]) + bytes(4) + bytes(15) + b"\1" + bytes(4)
    assert socket.sockaddr(raw) == (socket.AF_INET6, bytes(15) + b"\1", 80, 0, 0)
    found = socket.getaddrinfo("127.0.0.1", 80)[0][-1]
    assert socket.sockaddr(found) == (socket.AF_INET, b"\x7f\0\0\1", 80)


def test_a_host_name_is_no_address():
    try:
        socket.socket().connect(("localhost", 80))
        assert False
    except OSError as e:
        assert e.args[0] == errno.EINVAL and "getaddrinfo" in e.args[1], e.args


def test_ports_are_never_truncated():
    for port in (-1, 65536, 65616):
        for kind in (OverflowError, ValueError, socket.PortError):
            raises_type(kind, socket.socket().connect, ("127.0.0.1", port))
            raises_type(kind, socket.socket().bind, ("127.0.0.1", port))
            raises_type(kind, socket.getaddrinfo, "127.0.0.1", port)


def test_short_bytes_are_refused():
    raises(errno.EINVAL, socket.inet_ntop, socket.AF_INET6, b"1234")
    raises(errno.EINVAL, socket.sockaddr, b"\x02\0\0\x50")
    raises_type(ValueError, socket.socket().connect, ("127.0.0.1",))
    raises_type(ValueError, socket.socket().connect, ("127.0.0.1\0", 1))


def test_a_named_tuple_is_an_address():
    from collections import namedtuple

    s = socket.socket()
    s.bind(namedtuple("Address", ("host", "port"))("127.0.0.1", 0))
    assert s.getsockname()[0] == "127.0.0.1"


def test_inet_with_names():
    packed = socket.inet_pton(af=socket.AF_INET, txt_addr="1.2.3.4")
    assert socket.inet_ntop(af=socket.AF_INET, bin_addr=packed) == "1.2.3.4"
    raises_type(TypeError, socket.inet_pton, socket.AF_INET)
    raises_type(TypeError, socket.inet_pton, socket.AF_INET, "1.2.3.4", af=2)
    raises_type(TypeError, socket.inet_ntop, socket.AF_INET, other=b"1234")
