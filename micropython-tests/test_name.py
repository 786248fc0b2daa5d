# Names: getaddrinfo.
import socket

STOCK_IS_WRONG = ["test_the_error_is_a_negative_number", "test_the_address_is_a_tuple"]


def test_the_error_is_a_negative_number():
    try:
        socket.getaddrinfo("no such host", 80)
        assert False
    except OSError as e:
        assert isinstance(e.args[0], int) and e.args[0] < 0, e.args
        assert e.args[0] in (socket.EAI_NONAME, socket.EAI_AGAIN), e.args
        assert isinstance(e, socket.gaierror) and isinstance(e.args[1], str), e


def test_the_address_is_a_tuple():
    found = socket.getaddrinfo("127.0.0.1", 8080, 0, socket.SOCK_STREAM)
    assert found == [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", 8080))]
    found = socket.getaddrinfo("::1", "80", socket.AF_INET6, socket.SOCK_DGRAM)
    assert found[0][-1] == ("::1", 80, 0, 0), found


def test_all_six_arguments():
    flags = getattr(socket, "AI_NUMERICHOST", 4)
    found = socket.getaddrinfo("127.0.0.1", 1, socket.AF_INET, socket.SOCK_STREAM, 6, flags)
    assert len(found) == 1 and found[0][:3] == (socket.AF_INET, socket.SOCK_STREAM, 6)


def test_the_time_it_may_take():
    assert socket.getaddrinfo("127.0.0.1", 80, timeout=5)
    try:
        socket.getaddrinfo("127.0.0.1", 80, timeout=-1)
        assert False
    except ValueError:
        pass


def test_a_canonical_name():
    found = socket.getaddrinfo("127.0.0.1", 80, 0, socket.SOCK_STREAM, 0, socket.AI_CANONNAME)
    assert found[0][3] == "127.0.0.1", found
