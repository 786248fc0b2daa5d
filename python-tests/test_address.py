"""Addresses: tuples, paths, opaque bytes, inet_pton and inet_ntop, sockaddr."""

import errno
import os
import socket
import struct

import pytest
import usocket
from conftest import needs_ipv6
from usocket._address import decode, encode

# inet_pton, inet_ntop


def test_inet_pton_ipv4():
    assert usocket.inet_pton(usocket.AF_INET, "1.2.3.4") == b"\x01\x02\x03\x04"


def test_inet_ntop_ipv4():
    assert usocket.inet_ntop(usocket.AF_INET, b"\x7f\0\0\1") == "127.0.0.1"


@pytest.mark.parametrize("text", ["::", "::1", "2001:db8::1", "::ffff:1.2.3.4", "fe80::aa:bb"])
def test_inet_pton_and_ntop_ipv6(text):
    packed = usocket.inet_pton(usocket.AF_INET6, text)
    assert packed == socket.inet_pton(socket.AF_INET6, text) and len(packed) == 16
    assert usocket.inet_ntop(usocket.AF_INET6, packed) == text


def test_inet_ntop_takes_any_buffer():
    for kind in (bytes, bytearray, memoryview):
        assert usocket.inet_ntop(usocket.AF_INET, kind(b"\1\2\3\4")) == "1.2.3.4"


@pytest.mark.parametrize(
    "af, text", [(2, "localhost"), (2, "1.2.3"), (2, "::1"), (10, "1.2.3.4"), (10, "::g"), (2, "")]
)
def test_inet_pton_of_what_is_no_address(af, text):
    with pytest.raises(OSError) as e:
        usocket.inet_pton(af, text)
    assert e.value.errno == errno.EINVAL


def test_inet_pton_and_ntop_of_an_unknown_family():
    for use in (
        lambda: usocket.inet_pton(usocket.AF_UNIX, "1.2.3.4"),
        lambda: usocket.inet_ntop(usocket.AF_UNIX, b"1234"),
    ):
        with pytest.raises(OSError) as e:
            use()
        assert e.value.errno == errno.EAFNOSUPPORT


def test_inet_pton_and_ntop_of_wrong_types_and_lengths():
    for af, packed in [(2, b"123"), (2, b"12345"), (10, b"1234"), (2, b"")]:
        with pytest.raises(ValueError):
            usocket.inet_ntop(af, packed)
    for use in (
        lambda: usocket.inet_ntop(2, "1234"),
        lambda: usocket.inet_ntop("2", b"1234"),
        lambda: usocket.inet_pton(2, 5),
        lambda: usocket.inet_pton(None, "1.2.3.4"),
    ):
        with pytest.raises(TypeError):
            use()
    with pytest.raises(ValueError):
        usocket.inet_pton(2, "1.2.3.4\0")


# Tuples


def test_ipv4_tuple(udp, make):
    s = make(usocket.AF_INET, usocket.SOCK_DGRAM)
    s.connect(udp.getsockname())
    host, port = s.getpeername()
    assert (host, port) == udp.getsockname() and type(host) is str and type(port) is int


@pytest.mark.parametrize("host", ["127.0.0.1", b"127.0.0.1", bytearray(b"127.0.0.1")])
def test_the_host_is_text_or_bytes(make, host):
    s = make()
    s.bind((host, 0))
    assert s.getsockname()[0] == "127.0.0.1"


def test_an_empty_host_is_the_wildcard_address(make):
    s = make()
    s.bind(("", 0))
    assert s.getsockname()[0] == "0.0.0.0"
    s = make(usocket.AF_INET6)
    s.bind(("", 0))
    assert s.getsockname()[0] == "::"


@needs_ipv6
@pytest.mark.parametrize("rest", [(), (0,), (0, 0)])
def test_ipv6_tuple_of_two_to_four(make, rest):
    server = make(usocket.AF_INET6)
    server.bind(("::1", 0, *rest))
    server.listen()
    host, port, flowinfo, scope_id = server.getsockname()
    assert (host, flowinfo, scope_id) == ("::1", 0, 0)
    client = make(usocket.AF_INET6)
    client.connect(("::1", port, *rest))
    assert client.getpeername() == ("::1", port, 0, 0)
    conn, address = server.accept()
    conn.close()
    assert address == client.getsockname() and len(address) == 4


def test_ipv6_flowinfo_and_scope_id_go_into_the_address():
    raw = usocket.native_address(("2001:db8::7", 9, 0x12345, 3), usocket.AF_INET6)
    packed = usocket.inet_pton(usocket.AF_INET6, "2001:db8::7")
    assert usocket.sockaddr(raw) == (usocket.AF_INET6, packed, 9, 0x12345, 3)
    with pytest.raises(OverflowError):
        usocket.native_address(("::1", 1, 1 << 20, 0), usocket.AF_INET6)
    with pytest.raises(OverflowError):
        usocket.native_address(("::1", 1, 0, 1 << 32), usocket.AF_INET6)


def test_ipv6_scope_id_by_the_name_of_the_interface():
    raw = usocket.native_address(("fe80::1%lo", 1), usocket.AF_INET6)
    assert usocket.sockaddr(raw)[4] == socket.if_nametoindex("lo")


@pytest.mark.parametrize(
    "host", ["localhost", "www.micropython.org", "1.2.3", "256.1.1.1", "\u00fc"]
)
def test_a_host_name_in_an_address_is_an_error_that_says_to_use_getaddrinfo(make, host):
    for use in (make().connect, make().bind, make().connect_ex):
        with pytest.raises(OSError, match="getaddrinfo") as e:
            use((host, 80))
        assert e.value.errno == errno.EINVAL
    with pytest.raises(OSError, match="getaddrinfo"):
        make(usocket.AF_INET6).connect((host, 80))


@pytest.mark.parametrize("port", [-1, 65536, 65616, 1 << 40, -(1 << 70)])
@pytest.mark.parametrize("error", [OverflowError, ValueError, usocket.PortError])
def test_a_port_out_of_range_is_an_overflow_error_and_a_value_error(make, port, error):
    for use in (
        lambda: make().connect(("127.0.0.1", port)),
        lambda: make().bind(("127.0.0.1", port)),
        lambda: make(usocket.AF_INET6).connect(("::1", port)),
        lambda: make(usocket.AF_INET, usocket.SOCK_DGRAM).sendto(b"", ("127.0.0.1", port)),
        lambda: usocket.getaddrinfo("127.0.0.1", port),
    ):
        with pytest.raises(error):
            use()


def test_the_ends_of_the_port_range():
    for port in (0, 1, 65535):
        assert usocket.sockaddr(usocket.native_address(("1.2.3.4", port)))[2] == port


@pytest.mark.parametrize(
    "address",
    [
        (),
        ("127.0.0.1",),
        ("127.0.0.1", 1, 0),
        ("127.0.0.1", "80"),
        ("127.0.0.1", 80.0),
        ("127.0.0.1", None),
        (None, 80),
        (5, 80),
        ["127.0.0.1", 80],
        "127.0.0.1",
        None,
        80,
    ],
)
def test_an_address_of_the_wrong_shape_is_a_type_error(make, address):
    for use in (make().connect, make().bind):
        with pytest.raises(TypeError):
            use(address)


def test_other_shapes_that_are_wrong(make):
    six, unix = make(usocket.AF_INET6), make(usocket.AF_UNIX)
    for s, address in [
        (six, ("::1", 1, 2, 3, 4)),
        (six, ("::1",)),
        (six, ("::1", 1, "0")),
        (six, "::1"),
        (unix, ("path", 1)),
        (unix, 5),
    ]:
        with pytest.raises(TypeError):
            s.bind(address)


def test_an_embedded_nul_is_a_value_error(make):
    with pytest.raises(ValueError):
        make().connect(("127.0.0.1\0.evil", 80))


# Unix paths


@pytest.mark.parametrize("kind", [str, os.fsencode])
def test_a_unix_path(make, tmp_path, kind):
    path = str(tmp_path / "socket")
    server = make(usocket.AF_UNIX)
    server.bind(kind(path))
    server.listen()
    client = make(usocket.AF_UNIX)
    client.connect(kind(path))
    assert server.getsockname() == client.getpeername() == path
    conn, address = server.accept()
    conn.close()
    assert address == ""


def test_a_unix_path_that_is_not_utf8(make, tmp_path):
    path = os.fsencode(str(tmp_path)) + b"/\xff\xfe"
    s = make(usocket.AF_UNIX)
    s.bind(path)
    assert s.getsockname() == os.fsdecode(path) and os.path.exists(path)


@pytest.mark.parametrize("length", [1, 31, 107, 108])
def test_a_unix_path_up_to_the_platforms_limit_comes_back_whole(
    make, monkeypatch, tmp_path, length
):
    monkeypatch.chdir(tmp_path)
    s = make(usocket.AF_UNIX)
    s.bind("p" * length)
    assert s.getsockname() == "p" * length


def test_a_unix_path_that_is_too_long(make):
    with pytest.raises(OSError, match="108") as e:
        make(usocket.AF_UNIX).bind("p" * 109)
    assert e.value.errno == errno.ENAMETOOLONG


def test_a_nul_within_a_unix_path(make):
    with pytest.raises(OSError, match="NUL") as e:
        make(usocket.AF_UNIX).bind("a\0b")
    assert e.value.errno == errno.EINVAL


def test_a_linux_abstract_name_comes_back_as_bytes(make):
    name = b"\0usocket-test-%d\0\xff" % os.getpid()
    server = make(usocket.AF_UNIX)
    server.bind(name)
    server.listen()
    client = make(usocket.AF_UNIX)
    client.connect(name)
    assert server.getsockname() == client.getpeername() == name


def test_an_empty_unix_address_lets_the_kernel_pick_a_name(make):
    s = make(usocket.AF_UNIX, usocket.SOCK_DGRAM)
    assert s.getsockname() == ""
    s.bind("")
    assert s.getsockname()[:1] == b"\0" and len(s.getsockname()) == 6


def test_a_unix_peer_with_a_name_is_named_whole_by_accept_and_recvfrom(make, tmp_path):
    path = str(tmp_path) + "/" + "n" * (100 - len(str(tmp_path)))
    server, client = make(usocket.AF_UNIX), make(usocket.AF_UNIX)
    server.bind("\0usocket-test-accept-%d" % os.getpid())
    server.listen()
    client.bind(path)
    client.connect(server.getsockname())
    conn, address = server.accept()
    conn.close()
    assert address == path
    a, b = make(usocket.AF_UNIX, usocket.SOCK_DGRAM), make(usocket.AF_UNIX, usocket.SOCK_DGRAM)
    a.bind(path + "a")
    b.bind(path + "b")
    b.sendto(b"x", path + "a")
    assert a.recvfrom(10) == (b"x", path + "b")


# Opaque bytes


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_opaque_bytes_are_an_address(make, listener, kind):
    host, port = listener.getsockname()
    opaque = struct.pack("=H", usocket.AF_INET) + struct.pack("!H4s8x", port, b"\x7f\0\0\1")
    assert opaque == usocket.native_address((host, port))
    s = make()
    s.connect(kind(opaque))
    assert s.getpeername() == (host, port)


def test_opaque_bytes_of_a_unix_address(make, tmp_path):
    path = str(tmp_path / "socket")
    opaque = usocket.native_address(path, usocket.AF_UNIX)
    s = make(usocket.AF_UNIX)
    s.bind(opaque)
    assert s.getsockname() == path


@needs_ipv6
def test_opaque_bytes_of_an_ipv6_address(make):
    s = make(usocket.AF_INET6)
    s.bind(usocket.native_address(("::1", 0), usocket.AF_INET6))
    assert s.getsockname()[0] == "::1"


@pytest.mark.parametrize("raw", [b"", b"\2", b"\2\0", b"\2\0" + bytes(13), b"\x0a\0" + bytes(25)])
def test_bytes_that_are_no_address(make, raw):
    for use in (make().connect, make().bind, usocket.sockaddr):
        with pytest.raises(OSError) as e:
            use(raw)
        assert e.value.errno == errno.EINVAL


def test_any_native_address_of_another_family_is_refused_by_the_system(make):
    with pytest.raises(OSError) as e:
        make().bind(usocket.native_address(("::1", 0), usocket.AF_INET6))
    assert e.value.errno in (errno.EAFNOSUPPORT, errno.EINVAL)


# sockaddr


def test_sockaddr_takes_an_ipv4_address_apart():
    raw = usocket.native_address(("1.2.3.4", 80))
    assert usocket.sockaddr(raw) == (usocket.AF_INET, b"\1\2\3\4", 80)


def test_sockaddr_takes_an_ipv6_address_apart():
    raw = usocket.native_address(("::1", 80, 5, 2), usocket.AF_INET6)
    assert usocket.sockaddr(raw) == (usocket.AF_INET6, bytes(15) + b"\1", 80, 5, 2)


def test_sockaddr_of_another_family_is_its_bytes():
    assert usocket.sockaddr(usocket.native_address("/run/x", usocket.AF_UNIX)) == (
        usocket.AF_UNIX,
        b"/run/x",
    )
    packet = struct.pack("=H", usocket.AF_PACKET) + b"the rest, opaque"
    assert usocket.sockaddr(bytearray(packet)) == (usocket.AF_PACKET, b"the rest, opaque")


def test_sockaddr_wants_bytes():
    for wrong in ("text", None, 5, ("127.0.0.1", 1)):
        with pytest.raises(TypeError):
            usocket.sockaddr(wrong)


def test_the_tuples_of_the_kernels_own_families():
    _, name = usocket.if_nameindex()[0]
    made = {
        usocket.AF_NETLINK: (7, 1),
        usocket.AF_PACKET: (name, 0x0800, 1, 2, b"\1\2\3\4\5\6"),
        usocket.AF_CAN: (name,),
        usocket.AF_VSOCK: (2, 1024),
    }
    for family, address in made.items():
        raw = usocket.native_address(address, family)
        assert decode(encode(family, raw)) == decode(encode(family, address)) == address
    with pytest.raises(TypeError):
        encode(usocket.AF_NETLINK, (1, 2, 3))
    with pytest.raises(OverflowError):
        encode(usocket.AF_NETLINK, (-1, 2))
    with pytest.raises(OSError):
        encode(usocket.AF_PACKET, ("no such interface", 1))
    # The system's own: bound by us, and read by CPython.
    ours = usocket.socket(usocket.AF_NETLINK, usocket.SOCK_RAW, 0)
    with ours, socket.socket(fileno=os.dup(ours.fileno())) as theirs:
        ours.bind((0, 0))
        assert ours.getsockname() == theirs.getsockname() and ours.getsockname()[0]
