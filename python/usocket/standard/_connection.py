"""A TLS connection as CPython's `_ssl._SSLSocket` is one: over a socket or over two memory BIOs.

It is the library's TLS over buffers. From a socket no more than one record is taken at a time, as OpenSSL
does it: what the kernel still has, select reports; and what follows the peer's goodbye stays in there.
"""

from __future__ import annotations

from ctypes import c_char, c_void_p, cast, create_string_buffer
from errno import EAGAIN, ECONNRESET, EPIPE
from time import monotonic
from typing import Any, List, Optional
from weakref import finalize, ref

import ussl
from ussl._cert import as_dict
from ussl._presented import presented, presented_chain
from ussl._settings import read_text

from .. import _causes as causes
from .._buffer import give_back, take_room
from .._buffer import incoming as room_in
from .._buffer import outgoing as bytes_of
from .._errors import check, error
from .._lib import lib
from .._transfer import POLLIN, POLLOUT
from .._wait import resume
from . import _hello, _ssl_errors as errors

SHUT_WR = 1
_VERSIONS = {0x0303: "TLSv1.2", 0x0304: "TLSv1.3"}
PIECE = 16384


class Connection:
    """What moves bytes between the library's TLS and a transport, and tells of it."""

    def __init__(self, sock: Any, bios: Any, server_side: bool, name: Optional[str]) -> None:
        self._sock = None if sock is None else ref(sock)
        self._bios = bios
        self.server_side, self.server_hostname = server_side, name
        self._handle = 0
        self._owner: Any = None
        self._session: Any = None
        self._given: Any = None
        self._made: Any = None
        # Of a server, until the ClientHello is all there.
        self._first: Optional[bytearray] = bytearray() if server_side else None
        self._in = b""  # Encrypted, received, more than the library takes at once.
        self._out = b""  # Encrypted, on its way.
        self._accepted = 0  # Bytes of a write that are in there.
        self._header, self._missing = b"", 0  # Of the record that is being received.
        self._done = self._ended = self._said_goodbye = False

    def _begin(self, made: ussl.SSLContext) -> None:
        """Makes the library's end, and gives it what came already."""
        if made.verify_flags and not made._crls:
            raise errors.of(causes.CRL_MISSING)
        name = None if self.server_side else self._wanted_name(made)
        code = lib.usocket_tls_create(made._handle, name, 0)
        if code < 0:
            raise errors.of(code, made._handle)
        self._handle, self._made = code, made
        finalize(self, lib.usocket_close, code)
        if self._first is not None:
            first, self._first = bytes(self._first), None
            self._feed(first)

    def _wanted_name(self, made: Any) -> Optional[bytes]:
        if self.server_hostname:
            name = self.server_hostname
            return name.encode("ascii" if name.isascii() else "idna")
        if made.check_hostname:
            raise ValueError("check_hostname requires server_hostname")
        return None

    def _answer(self, hello: _hello.Hello) -> None:
        raise NotImplementedError

    def _complete(self) -> None:
        """The handshake is complete."""

    def _refuse(self, alert: int) -> None:
        """Ends the handshake with an alert of one's own."""
        self._out += bytes((21, 3, 3, 0, 2, 2, alert & 0xFF))
        self._flush(None)
        raise errors.ssl_error("CALLBACK_FAILED", "callback failed")

    # --- bytes

    def _transport(self) -> Any:
        sock = self._sock() if self._sock is not None else None
        if sock is None:
            raise errors.ssl_error("UNINITIALIZED", "Underlying socket connection gone")
        return sock

    def _deadline(self) -> Optional[float]:
        """When an operation that begins now has to be over."""
        if self._bios is not None:
            return None
        timeout = self._transport()._timeout
        return monotonic() + timeout if timeout else None

    def _feed(self, data: bytes) -> None:
        if self._first is not None:
            self._first += data
            hello = _hello.read(bytes(self._first))
            if hello is not None:
                self._answer(hello)
            return
        self._in += data
        while self._in:
            data = self._in
            n = lib.usocket_tls_feed(self._handle, data, len(data))
            if n == -EAGAIN:
                return  # What has come is to be received first; the rest waits here.
            if n < 0:
                raise errors.of(n, self._handle, self.server_hostname)
            self._in = data[n:]

    def _fill(self, deadline: Optional[float]) -> None:
        """Takes more from the transport; raises when there is none now."""
        if self._in:
            before = len(self._in)
            self._feed(b"")
            if len(self._in) < before:
                return
        if self._bios is not None:
            data = self._bios[0].read()
            if not data:
                if not self._bios[0].eof:
                    raise errors.want_read()
                self._end()
            else:
                self._feed(data)
            return
        sock = self._transport()
        size = self._missing or 5 - len(self._header)
        room = (c_char * size)()
        n = resume(deadline, POLLIN, lib.usocket_recv, sock._handle, room, size, 0)
        if n == -EAGAIN:
            raise errors.want_read()
        if n < 0:
            if n == -ECONNRESET and self._done and not self._missing:
                raise sock._error(n)
            raise _timed_out(sock, n)
        if n == 0:
            self._end()
            return
        data = room.raw[:n]
        if self._missing:
            self._missing -= n
        else:
            self._header += data
            if len(self._header) == 5:
                self._missing = int.from_bytes(self._header[3:], "big")
                self._header = b""
        self._feed(data)

    def _end(self) -> None:
        """The transport has ended."""
        if self._first is not None or self._ended:
            raise errors.end_of_file()
        self._ended = True
        lib.usocket_tls_feed_end(self._handle)

    def _drain(self) -> None:
        while self._handle:
            size = lib.usocket_tls_drain(self._handle, None, 0)
            if size <= 0:
                return
            room = (c_char * size)()
            n = lib.usocket_tls_drain(self._handle, room, size)
            if n <= 0:
                return
            self._out += room.raw[:n]

    def _flush(self, deadline: Optional[float]) -> None:
        """Sends what is encrypted; raises when the transport does not take it now."""
        self._drain()
        if self._bios is not None:
            if self._out:
                self._bios[1].write(self._out)
                self._out = b""
            return
        while self._out:
            sock = self._transport()
            out = self._out
            n = resume(deadline, POLLOUT, lib.usocket_send, sock._handle, out, len(out), 0)
            if n == -EAGAIN:
                raise errors.want_write()
            if n < 0:
                raise _timed_out(sock, n)
            self._out = out[n:]

    def _drive(self, call: Any, deadline: Optional[float]) -> int:
        """Calls until the call need not wait, moving bytes both ways: what it gives in the end."""
        while True:
            if self._first is not None:
                code = -EAGAIN
            else:
                code = call()
            try:
                self._flush(deadline)
            except OSError as e:
                # A peer that has gone has perhaps said why.
                if code != -EAGAIN or getattr(e, "errno", 0) not in (EPIPE, ECONNRESET):
                    if code == -EAGAIN or code >= 0:
                        raise
                self._out = b""
            if code != -EAGAIN:
                return code
            self._fill(deadline)

    # --- operations

    def do_handshake(self) -> None:
        if self._done:
            return
        code = self._drive(lambda: lib.usocket_tls_handshake(self._handle), self._deadline())
        if code < 0:
            raise errors.of(code, self._handle, self.server_hostname)
        self._greeted()

    def _greeted(self) -> None:
        if not self._done:
            self._done = True
            self._complete()

    def read(self, size: int = 1024, buffer: Any = None) -> Any:
        if size < 0 and buffer is None:
            raise ValueError("size should not be negative")
        if buffer is None:
            if not size:
                return b""
            room = take_room(size)
            try:
                return room[: self._receive(room, size)]
            finally:
                give_back(room)
        start, length, held = room_in(buffer)
        try:
            want = length if size <= 0 or size > length else size
            return self._receive(start, want) if want else 0
        finally:
            del held

    def _receive(self, start: Any, size: int) -> int:
        code = self._drive(lambda: lib.usocket_recv(self._handle, start, size, 0), self._deadline())
        if code < 0:
            raise errors.of(code, self._handle, self.server_hostname)
        self._greeted()
        if code == 0 and self._said_goodbye:
            # Over on both sides, and no longer the end of what the peer had to say.
            raise errors.zero_return()
        return code

    def write(self, data: Any) -> int:
        start, size, held = bytes_of(data)
        try:
            place: Any = start
            at = cast(place, c_void_p).value or 0
            deadline = self._deadline()
            self._flush(deadline)
            # All of it, as OpenSSL has it. After SSLWantWriteError the same is written once more: it goes
            # on where it was.
            while self._accepted < size:
                left = size - self._accepted
                code = self._sent(at + self._accepted, left)
                if code == -EAGAIN:
                    self._flush(deadline)
                    code = self._sent(at + self._accepted, left)
                if code == -EAGAIN:
                    self._fill(deadline)
                    continue
                if code < 0:
                    raise self._failed_write(code)
                self._greeted()
                self._accepted += code
                self._flush(deadline)
            self._accepted = 0
            return size
        finally:
            del held

    def _failed_write(self, code: int) -> BaseException:
        self._accepted = 0
        try:  # The alert that says why.
            self._flush(0.0)
        except OSError:
            pass
        if code == -EPIPE:
            return errors.ssl_error("PROTOCOL_IS_SHUTDOWN", "protocol is shutdown")
        return errors.of(code, self._handle, self.server_hostname)

    def _sent(self, start: Any, size: int) -> int:
        if self._first is not None:
            return -EAGAIN
        return lib.usocket_send(self._handle, start, size, 0)

    def pending(self) -> int:
        return max(0, lib.usocket_tls_pending(self._handle)) if self._handle else 0

    def shutdown(self) -> Any:
        """Says goodbye and waits for the peer's: the socket, on which plain data may follow."""
        if not self._handle or not self._done:
            raise errors.ssl_error("SHUTDOWN_WHILE_IN_INIT", "shutdown while in init")
        deadline = self._deadline()
        lib.usocket_shutdown(self._handle, SHUT_WR)
        self._said_goodbye = True
        room = (c_char * PIECE)()
        while True:
            code = lib.usocket_recv(self._handle, room, PIECE, 0)
            try:
                self._flush(deadline)
            except (BrokenPipeError, ConnectionResetError):
                if code == -EAGAIN:
                    raise
            if code == 0:
                break
            if code > 0:
                raise errors.ssl_error(
                    "APPLICATION_DATA_AFTER_CLOSE_NOTIFY", "application data after close notify"
                )
            if code != -EAGAIN:
                if code == causes.TRUNCATED:
                    break
                raise errors.of(code, self._handle, self.server_hostname)
            self._fill(deadline)
        return self._sock() if self._sock is not None else None

    # --- what there is to know

    def version(self) -> Optional[str]:
        return _VERSIONS.get(lib.usocket_tls_version(self._handle)) if self._handle else None

    def cipher(self) -> Any:
        name = read_text(lib.usocket_tls_cipher, self._handle) if self._handle else ""
        if not name:
            return None
        bits = 128 if "AES_128" in name or "AES128" in name else 256
        return openssl_name(name), self.version(), bits

    def shared_ciphers(self) -> Any:
        cipher = self.cipher()
        return [cipher] if cipher and self.server_side else None

    def compression(self) -> None:
        return None

    def selected_alpn_protocol(self) -> Optional[str]:
        return (read_text(lib.usocket_tls_alpn, self._handle) or None) if self._handle else None

    def selected_npn_protocol(self) -> None:
        return None

    def getpeercert(self, binary_form: bool = False) -> Any:
        if not self._handle or not self._done:
            raise ValueError("handshake not done yet")
        der = presented(self._handle, 0)
        if der is None or binary_form:
            return der
        return as_dict(der) if lib.usocket_tls_verified(self._handle) == 1 else {}

    def get_unverified_chain(self) -> List[bytes]:
        return presented_chain(self._handle)

    def get_channel_binding(self, cb_type: str = "tls-unique") -> Any:
        if cb_type != "tls-exporter":
            raise ValueError(f"{cb_type!r} channel binding type not implemented")
        if not self._done:
            return None
        room = create_string_buffer(32)
        check(lib.usocket_tls_channel_binding(self._handle, room, len(room)))
        return room.raw

    def verify_client_post_handshake(self) -> None:
        raise errors.ssl_error(
            "EXTENSION_NOT_RECEIVED", "post-handshake authentication is not supported"
        )

    @property
    def session_reused(self) -> bool:
        return bool(self._handle) and lib.usocket_tls_resumed(self._handle) == 1


def openssl_name(name: str) -> str:
    """What OpenSSL calls a cipher suite of IANA's: ECDHE-RSA-AES128-GCM-SHA256."""
    if "_WITH_" not in name:
        return name
    key, cipher = name[4:].split("_WITH_")
    cipher = cipher.replace("AES_", "AES").replace("_", "-")
    cipher = cipher.replace("CHACHA20-POLY1305-SHA256", "CHACHA20-POLY1305")
    return key.replace("_", "-") + "-" + cipher


def _timed_out(sock: Any, code: int) -> BaseException:
    e: BaseException = sock._error(code)
    if type(e).__name__ in ("timeout", "TimeoutError") and sock._timeout:
        return type(e)("The read operation timed out")
    return e
