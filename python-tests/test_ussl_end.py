"""How a session of TLS ends: with close_notify, without it, unwrapped."""

import os

import pytest
import usocket
import ussl


def test_shutdown_is_close_notify_and_the_other_half_goes_on(tls):
    client, server = tls
    client.shutdown(usocket.SHUT_WR)
    assert server.recv(1) == b""
    server.write(b"still")
    server.close()
    assert client.readall() == b"still"
    with pytest.raises(BrokenPipeError):
        client.send(b"x")


@pytest.mark.parametrize("non_blocking", [True, False])
def test_what_send_has_counted_arrives_after_a_close_that_does_not_wait(tls, non_blocking):
    client, server = tls
    server.write(b"unread, which would be a reason to reset the connection")
    client.setsockopt(usocket.SOL_SOCKET, usocket.SO_SNDBUF, 8192)
    flags = 0 if non_blocking else usocket.MSG_DONTWAIT
    client.setblocking(not non_blocking)
    counted = 0
    with pytest.raises(ussl.SSLWantWriteError):
        while True:
            counted += client.send(bytes(60000), flags)
    client.close()
    assert counted > 0 and len(server.readall()) == counted
    assert server.recv(1) == b""


BUFFER = bytearray(9)
ARGUMENTS = {"recv": [99], "read": [99], "readinto": [BUFFER], "recv_into": [BUFFER]}


def cut(s):
    """Ends the connection below TLS: no close_notify."""
    os.close(s.detach())


@pytest.mark.parametrize("use", ["recv", "read", "readall", "readline", "readinto", "recv_into"])
def test_a_ragged_end_is_the_end(tls, use):
    client, server = tls
    server.write(b"part")
    cut(server)
    call = getattr(client, use)
    assert call(*ARGUMENTS.get(use, [])) in (b"part", 4)
    assert call(*ARGUMENTS.get(use, [])) in (b"", 0)


@pytest.mark.parametrize("use", ["read", "readall", "readline"])
def test_a_read_that_was_cut_off_says_so_itself(pair_of, use):
    # To the end: a program takes a page without an error for complete.
    client, server = pair_of(suppress_ragged_eofs=False)
    server.write(b"part")
    cut(server)
    with pytest.raises(ussl.SSLEOFError, match="without a TLS close_notify") as e:
        getattr(client, use)()
    assert (e.value.code, e.value.partial) == (-10002, b"part")
    with pytest.raises(ussl.SSLEOFError):
        getattr(client, use)()


@pytest.mark.parametrize("use", ["recv", "readinto", "recv_into"])
def test_a_ragged_end_is_an_error_when_asked(pair_of, use):
    client, server = pair_of(suppress_ragged_eofs=False)
    server.write(b"part")
    cut(server)
    call = getattr(client, use)
    assert call(*ARGUMENTS.get(use, [])) in (b"part", 4)
    with pytest.raises(ussl.SSLEOFError, match="without a TLS close_notify") as e:
        call(*ARGUMENTS.get(use, []))
    assert e.value.code == -10002


def test_the_proper_end_is_never_an_error(pair_of):
    client, server = pair_of(suppress_ragged_eofs=False)
    server.close()
    assert client.recv(1) == b"" and client.readall() == b""


def test_unwrap(tls, run):
    client, server = tls
    server.settimeout(20)
    client.settimeout(20)

    def other():
        with server.unwrap() as plain:
            assert type(plain) is usocket.socket and plain.gettimeout() == 20
            assert plain.recv(5) == b"plain"
            plain.sendall(b"too")

    run(other)
    client.sendall(b"dropped")
    with client.unwrap() as plain:
        assert client.fileno() == -1
        plain.sendall(b"plain")  # Both directions go on, in clear.
        assert plain.recv(3) == b"too"


def test_unwrap_of_a_peer_that_hangs_up(tls):
    client, server = tls
    cut(server)
    with pytest.raises(OSError):  # SSLEOFError, or how the system puts it.
        client.unwrap()
