"""Names: getaddrinfo."""

import errno
import os
import resource
import socket
import subprocess
import sys

import pytest
import usocket

LOOPBACKS = {"127.0.0.1", "::1"}


def test_an_answer_is_family_type_proto_canonname_sockaddr():
    answers = usocket.getaddrinfo("127.0.0.1", 80)
    assert type(answers) is list
    for answer in answers:
        family, kind, proto, canonname, sockaddr = answer
        assert type(answer) is tuple
        assert (family, canonname, sockaddr) == (usocket.AF_INET, "", ("127.0.0.1", 80))
        assert type(family) is type(kind) is type(proto) is int
    assert {(a[1], a[2]) for a in answers} >= {
        (usocket.SOCK_STREAM, usocket.IPPROTO_TCP),
        (usocket.SOCK_DGRAM, usocket.IPPROTO_UDP),
    }


@pytest.mark.parametrize(
    "args",
    [
        ("127.0.0.1", 80),
        ("::1", 443),
        ("localhost", "80"),
        (None, 80),
        (None, 0, 0, 1, 0, socket.AI_PASSIVE),
        ("127.0.0.1", "http", 0, 1),
        ("127.0.0.1", None),
    ],
)
def test_the_answers_are_those_of_the_system(args):
    assert usocket.getaddrinfo(*args) == [tuple(a) for a in socket.getaddrinfo(*args)]


@pytest.mark.parametrize("index", [-1, 4])
def test_the_address_of_an_answer_goes_to_connect(make, listener, index):
    s = make()
    s.connect(usocket.getaddrinfo("127.0.0.1", listener.getsockname()[1])[0][index])
    assert s.getpeername() == listener.getsockname()


def test_the_recommended_call_with_filters(make, listener):
    port = listener.getsockname()[1]
    answers = usocket.getaddrinfo("localhost", port, 0, usocket.SOCK_STREAM)
    assert {a[1] for a in answers} == {usocket.SOCK_STREAM}
    address = usocket.getaddrinfo("localhost", port, usocket.AF_INET, usocket.SOCK_STREAM)[0][-1]
    make().connect(address)


def test_af_filters():
    for af in (usocket.AF_INET, usocket.AF_INET6):
        host = "127.0.0.1" if af == usocket.AF_INET else "::1"
        for arguments in ({"af": af}, {"family": af}):
            assert {a[0] for a in usocket.getaddrinfo(host, 1, **arguments)} == {af}


def test_type_filters():
    for kind in (usocket.SOCK_STREAM, usocket.SOCK_DGRAM):
        assert {a[1] for a in usocket.getaddrinfo("127.0.0.1", 1, type=kind)} == {kind}


def test_proto_filters():
    for proto in (usocket.IPPROTO_TCP, usocket.IPPROTO_UDP):
        assert {a[2] for a in usocket.getaddrinfo("127.0.0.1", 1, proto=proto)} == {proto}


@pytest.mark.parametrize("host", ["127.0.0.1", b"::1"])
def test_a_numeric_host_needs_nothing_of_the_system(host):
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))  # Not even a file that says how to look up names.
    try:
        answers = usocket.getaddrinfo(host, "80", type=usocket.SOCK_STREAM)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert [a[-1][:2] for a in answers] == [(host if isinstance(host, str) else host.decode(), 80)]


@pytest.mark.parametrize("host", ["1.example.invalid", "1.2.3.4.5", "12:", "1 2"])
def test_what_only_looks_like_an_address_is_a_name(host):
    with pytest.raises(usocket.gaierror) as ours:
        usocket.getaddrinfo(host, 80, flags=usocket.AI_NUMERICHOST)
    with pytest.raises(socket.gaierror) as theirs:
        socket.getaddrinfo(host, 80, flags=socket.AI_NUMERICHOST)
    assert ours.value.args[0] == theirs.value.args[0]


def test_flags_numeric_host_asks_nobody():
    with pytest.raises(usocket.gaierror) as e:
        usocket.getaddrinfo("localhost", 1, 0, 0, 0, usocket.AI_NUMERICHOST)
    assert e.value.args[0] == usocket.EAI_NONAME < 0


def test_flags_canonname():
    flags = usocket.AI_CANONNAME
    answers = usocket.getaddrinfo("127.0.0.1", 80, 0, usocket.SOCK_STREAM, 0, flags)
    assert answers[0][3] == "127.0.0.1"
    answers = usocket.getaddrinfo("127.0.0.1", 80, 0, 0, flags=flags)
    assert [a[3] for a in answers][1:] == [""] * (len(answers) - 1)


def test_the_port_is_an_integer_numeric_text_a_service_or_none():
    def port(value):
        return usocket.getaddrinfo("127.0.0.1", value, 0, usocket.SOCK_STREAM)[0][4][1]

    assert port(80) == port("80") == port(b"80") == port("http") == 80
    assert port(None) == port("") == port(0) == 0
    assert port(65535) == port("65535") == 65535


@pytest.mark.parametrize("text", ["65536", "65616", "99999999999999999999"])
def test_numeric_text_out_of_range_is_never_truncated(text):
    with pytest.raises(usocket.gaierror) as e:
        usocket.getaddrinfo("127.0.0.1", text)
    assert e.value.args[0] == usocket.EAI_SERVICE


def test_an_unknown_service():
    with pytest.raises(usocket.gaierror) as e:
        usocket.getaddrinfo("127.0.0.1", "no-such-service")
    assert e.value.args[0] == usocket.EAI_SERVICE


def test_the_host_is_a_name_numeric_text_bytes_or_none():
    for host in ("localhost", b"localhost", bytearray(b"localhost"), None, ""):
        addresses = {a[4][0] for a in usocket.getaddrinfo(host, 80)}
        assert addresses and addresses <= LOOPBACKS, host


def test_a_host_of_none_with_ai_passive_is_any_address():
    answers = usocket.getaddrinfo(None, 80, usocket.AF_INET, 1, 0, usocket.AI_PASSIVE)
    assert answers[0][4] == ("0.0.0.0", 80)


def test_a_failure_is_an_os_error_with_a_negative_number():
    with pytest.raises(OSError) as e:
        usocket.getaddrinfo("no-such-host.invalid", 80, timeout=30)
    assert isinstance(e.value, usocket.gaierror) and issubclass(usocket.gaierror, OSError)
    number = e.value.args[0]
    names = [usocket.EAI_NONAME, usocket.EAI_AGAIN, usocket.EAI_FAIL]
    assert number < 0 and number in names and e.value.errno == number
    assert e.value.args[1]


def test_cpythons_except_clauses_catch_it_too():
    with pytest.raises(socket.gaierror):
        usocket.getaddrinfo("localhost", 1, 9999)


def test_an_unknown_family_type_and_flag():
    for args, number in [
        ((9999,), usocket.EAI_FAMILY),
        ((0, 9999), usocket.EAI_SOCKTYPE),
        ((0, 0, 0, 1 << 30), usocket.EAI_BADFLAGS),
    ]:
        with pytest.raises(usocket.gaierror) as e:
            usocket.getaddrinfo("127.0.0.1", 80, *args)
        assert e.value.args[0] == number


def test_wrong_types():
    for args in [(5, 80), ("h", 1.5), ("h", [80]), ("h", 1, "0"), ("h", 1, None), ("h",), ()]:
        with pytest.raises(TypeError):
            usocket.getaddrinfo(*args)
    for args in [("a\0b", 80), ("127.0.0.1", "80\0")]:
        with pytest.raises(ValueError):
            usocket.getaddrinfo(*args)
    with pytest.raises(OverflowError):
        usocket.getaddrinfo("127.0.0.1", 80, 1 << 40)


def test_a_name_that_is_not_ascii_is_refused_as_in_every_host():
    for name in ("b\u00fccher.invalid", "\u00fc" * 80):
        with pytest.raises(usocket.gaierror) as e:
            usocket.getaddrinfo(name, 80, timeout=30)
        assert e.value.args[0] == usocket.EAI_NONAME and "xn--" in str(e.value)
    with pytest.raises(usocket.gaierror):  # In the form that is asked for, it is a name.
        usocket.getaddrinfo("xn--bcher-kva.invalid", 80, timeout=30)


def test_a_timeout_that_is_enough_and_ones_that_are_wrong():
    assert usocket.getaddrinfo("localhost", 80, timeout=60)
    for wrong in (-1, float("nan")):
        with pytest.raises(ValueError):
            usocket.getaddrinfo("localhost", 80, timeout=wrong)
    with pytest.raises(TypeError):
        usocket.getaddrinfo("localhost", 80, timeout="1")


def test_ipproto_sec_is_tcp_to_the_resolver():
    answers = usocket.getaddrinfo("127.0.0.1", 443, 0, usocket.SOCK_STREAM, usocket.IPPROTO_SEC)
    assert answers[0][:3] == (usocket.AF_INET, usocket.SOCK_STREAM, usocket.IPPROTO_TCP)


def test_what_connect_cannot_reach_by_name_getaddrinfo_can(make, listener):
    port = listener.getsockname()[1]
    with pytest.raises(OSError) as e:
        make().connect(("localhost", port))
    assert e.value.errno == errno.EINVAL
    make().connect(usocket.getaddrinfo("localhost", port, usocket.AF_INET)[0][-1])


LEAK = """
import resource, usocket

def resident():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * resource.getpagesize()

def grow(calls):
    before = resident()
    for _ in range(calls):
        usocket.getaddrinfo("127.0.0.1", 80)
    return resident() - before

grow(1000)
print(grow(20_000))
"""


def test_the_answers_are_freed():
    # In a process of its own, whose heap has no room that other tests have left.
    grown = int(subprocess.check_output([sys.executable, "-c", LEAK]))
    assert grown < 3_000_000  # The answers together would be four times that.


def test_what_the_platform_says_by_name():
    assert usocket.ntohs(usocket.htons(0x1234)) == 0x1234
    assert usocket.ntohl(usocket.htonl(0x12345678)) == 0x12345678
    assert usocket.inet_ntoa(usocket.inet_aton("127.1")) == "127.0.0.1"
    assert usocket.gethostbyname("127.0.0.1") == "127.0.0.1"
    assert usocket.gethostname() and isinstance(usocket.has_ipv6, bool)
    assert usocket.getnameinfo(("127.0.0.1", 80), usocket.NI_NUMERICHOST)[0] == "127.0.0.1"
    index, name = usocket.if_nameindex()[0]
    assert (usocket.if_indextoname(index), usocket.if_nametoindex(name)) == (name, index)
    assert usocket.getprotobyname("tcp") == usocket.IPPROTO_TCP
    assert issubclass(usocket.herror, OSError)


def test_a_lookup_leaves_no_descriptor():
    def descriptors():
        return len(os.listdir("/proc/self/fd"))

    usocket.getaddrinfo("localhost", 80)
    before = descriptors()
    for _ in range(20):
        usocket.getaddrinfo("localhost", 80)
    assert descriptors() <= before + 2
