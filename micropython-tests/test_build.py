# Features of a build with these modules.
import sys


def test_the_modules_have_both_names():
    import select, socket, ssl, tls, uselect, usocket, ussl

    assert usocket is socket and uselect is select
    assert ssl.SSLContext is tls.SSLContext is ussl.SSLContext
    assert hasattr(socket, "socketpair"), "these are the port's own"


def test_hashes_and_ciphers_are_kept():
    import cryptolib
    import hashlib

    for name, digest in (
        ("md5", "900150983cd24fb0d6963f7d28e17f72"),
        ("sha1", "a9993e364706816aba3e25717850c26c9cd0d89d"),
        ("sha256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    ):
        h = getattr(hashlib, name)(b"a")
        h.update(b"bc")
        assert h.digest().hex() == digest, name
    # FIPS 197, then SP 800-38A for the modes.
    key = bytes(range(16))
    text, secret = bytes.fromhex("00112233445566778899aabbccddeeff"), "69c4e0d86a7b0430d8cdb78070b4c55a"
    assert cryptolib.aes(key, 1).encrypt(text).hex() == secret
    assert cryptolib.aes(key, 1).decrypt(bytes.fromhex(secret)) == text
    key, text = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c"), bytes.fromhex("6bc1bee22e409f96e93d7e117393172a")
    secret = "7649abac8119b246cee98e9b12e9197d"
    assert cryptolib.aes(key, 2, bytes(range(16))).encrypt(text).hex() == secret
    assert cryptolib.aes(key, 2, bytes(range(16))).decrypt(bytes.fromhex(secret)) == text


def test_every_constant_is_a_number():
    import socket

    groups = ("AF_", "SOCK_", "IPPROTO_", "SOL_", "SO_", "TCP_", "IP_", "IPV6_", "MSG_", "AI_", "EAI_", "SHUT_")
    names = [n for n in dir(socket) if n.startswith(groups)]
    assert len(names) > 300, len(names)
    assert all(isinstance(getattr(socket, n), int) for n in names)
    assert "linux" not in sys.platform or (socket.AF_INET, socket.SO_REUSEPORT, socket.EAI_NONAME) == (2, 15, -2)
