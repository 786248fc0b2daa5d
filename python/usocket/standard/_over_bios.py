"""A TLS connection over two memory BIOs: the library's TLS over buffers."""

from __future__ import annotations

from errno import EPIPE
from typing import Any, Optional
from weakref import finalize

from ussl._bios import Bios, locked

from .. import _causes as causes
from .._lib import lib
from . import _hello, _ssl_errors as errors
from ._connection import Connection


class OverBios(Connection, Bios):
    """The same over two memory BIOs: input and output."""

    def _over(self, beneath: Any) -> None:
        self._bios, self._in, self._ended = beneath, b"", False

    def _create(self, context: int, name: Optional[bytes]) -> int:
        handle = lib.usocket_tls_create(context, name, 0)
        if handle < 0:
            raise errors.of(handle, context)
        finalize(self, lib.usocket_close, handle)
        return handle

    def _started(self) -> bool:
        if not self._handle:
            if not self._asks():
                self._answer(None)
            else:
                hello = _hello.read(bytes(self._first))
                if hello is None:
                    return False
                self._answer(hello)
            first, self._first = bytes(self._first), bytearray()
            self._feed(first)
        return True

    def _take(self, data: bytes) -> None:
        if self._handle:
            self._feed(data)
        else:
            self._first += data

    def _send_raw(self, data: bytes) -> None:
        self._bios[1].write(data)

    def _error(self, code: int) -> BaseException:
        return errors.of(code, self._handle, self.server_hostname)

    def _want_read(self) -> BaseException:
        return errors.want_read()

    def _no_more(self) -> BaseException:
        return errors.end_of_file()

    # --- operations

    @locked
    def do_handshake(self) -> None:
        if self._done:
            return
        code = self._greet()
        if code < 0:
            raise self._error(code)
        self._greeted()

    @locked
    def read(self, size: int = 1024, buffer: Any = None) -> Any:
        return self._read(size, buffer, self._received)

    def _received(self, code: int) -> int:
        if code < 0:
            raise self._error(code)
        self._greeted()
        if code == 0 and self._said_goodbye:
            # TLS has ended on both sides; this is no longer the end of the peer's data.
            raise errors.zero_return()
        return code

    @locked
    def write(self, data: Any) -> int:
        done, code = self._write(data)
        if code == -EPIPE:
            raise errors.ssl_error("PROTOCOL_IS_SHUTDOWN", "protocol is shutdown")
        if code < 0:
            raise self._error(code)
        if done:
            self._greeted()
        return done

    @locked
    def shutdown(self) -> None:
        """Sends close_notify and waits for the peer's."""
        if not self._handle or not self._done:
            raise errors.ssl_error("SHUTDOWN_WHILE_IN_INIT", "shutdown while in init")
        self._said_goodbye = True
        code = self._goodbye()
        if code > 0:
            raise errors.ssl_error(
                "APPLICATION_DATA_AFTER_CLOSE_NOTIFY", "application data after close notify"
            )
        if code < 0 and code != causes.TRUNCATED:
            raise self._error(code)
