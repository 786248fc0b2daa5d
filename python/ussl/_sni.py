"""`SSLContext.sni_callback`: a server's certificates, chosen by the name that a client asks for."""

from __future__ import annotations

from ctypes import CFUNCTYPE, c_char_p, c_int64, c_void_p
from typing import Any, Callable, Optional
from weakref import ref

from usocket._lib import lib
from usocket._tls_errors import in_callback

from . import _callback

_REFUSED = -1


class Asked:
    """A connection in its handshake, as `sni_callback` has it: `context` is the server context whose
    certificates are presented, and can be set."""

    __module__ = "ussl"
    __slots__ = ("_context",)

    def __init__(self, context: Any) -> None:
        self._context = context

    @property
    def context(self) -> Any:
        """The SSLContext whose certificates the client gets."""
        return self._context

    @context.setter
    def context(self, value: Any) -> None:
        if not isinstance(value, type(self._context)):
            raise TypeError("The value must be a SSLContext")
        self._context = value


class Chooser(_callback.Callback):
    """An `sni_callback`."""

    __slots__ = ("context",)

    def __init__(
        self, callback: Callable[[Asked, Optional[str], Any], Optional[int]], context: Any
    ) -> None:
        # Alive whenever it is called: every connection keeps its context.
        self.context = ref(context)
        super().__init__(callback)


def _choice(number: Any, name: Any) -> int:
    """The C function. An exception refuses the client and is kept."""
    in_callback.raised = None
    try:
        chooser = _callback.known(number)
        context = chooser.context()
        asked = Asked(context)
        if chooser.callback(asked, name.decode() if name else None, context) is not None:
            return _REFUSED
    except BaseException as e:
        in_callback.raised = e
        return _REFUSED
    # The library takes the certificates after this: nobody else may have the context.
    in_callback.chosen = asked.context
    return 0 if asked.context is context else int(asked.context._handle)


_function = CFUNCTYPE(c_int64, c_void_p, c_char_p)(_choice)


def set_chooser(context: int, chooser: Optional[Chooser]) -> int:
    """Sets a context's callback, or removes it with None; returns the library's code."""
    setter = lib.usocket_tls_context_set_name_callback
    return _callback.set_callback(setter, context, _function, chooser)
