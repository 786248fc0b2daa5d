# What a build with these modules has, and keeps.
import sys


def test_the_modules_have_both_names():
    import select, socket, ssl, tls, uselect, usocket, ussl

    assert usocket is socket and uselect is select
    assert ssl.SSLContext is tls.SSLContext is ussl.SSLContext
    assert hasattr(socket, "socketpair"), "these are the port's own"


def test_hashes_and_ciphers_are_kept():
    import cryptolib
    import hashlib

    assert hashlib.md5(b"abc").digest().hex() == "900150983cd24fb0d6963f7d28e17f72"
    assert hashlib.sha1(b"abc").digest().hex() == "a9993e364706816aba3e25717850c26c9cd0d89d"
    assert hashlib.sha256(b"abc").digest()[:4] == b"\xba\x78\x16\xbf"
    assert cryptolib.aes(b"k" * 16, 1).decrypt(cryptolib.aes(b"k" * 16, 1).encrypt(b"p" * 16)) == b"p" * 16


def test_every_constant_is_a_number():
    import socket

    groups = ("AF_", "SOCK_", "IPPROTO_", "SOL_", "SO_", "TCP_", "IP_", "IPV6_", "MSG_", "AI_", "EAI_", "SHUT_")
    names = [n for n in dir(socket) if n.startswith(groups)]
    assert len(names) > 300, len(names)
    assert all(isinstance(getattr(socket, n), int) for n in names)
    assert "linux" not in sys.platform or (socket.AF_INET, socket.SO_REUSEPORT, socket.EAI_NONAME) == (2, 15, -2)
