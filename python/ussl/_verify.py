"""The verify callbacks of contexts, which the library calls through a pointer to a C function."""

from __future__ import annotations

from ctypes import CFUNCTYPE, POINTER, c_int32, c_size_t, c_uint8, c_void_p, string_at
from itertools import count
from operator import index
from typing import Any, Callable, Optional
from weakref import WeakValueDictionary

from usocket._lib import lib
from usocket._tls_errors import in_callback

_numbers = count(1)


class Verifier:
    """A callback while a context or a connection refers to it: a connection keeps the callback that its
    context had when it was made, also after the context has got another one."""

    __slots__ = ("__weakref__", "callback", "number")

    def __init__(self, callback: Callable[[bytes, int], int]) -> None:
        self.callback, self.number = callback, next(_numbers)
        _known[self.number] = self


_known: WeakValueDictionary[int, Verifier] = WeakValueDictionary()


def _verdict(number: Any, der: Any, size: Any, depth: Any) -> int:
    """The C function. An exception refuses the peer and is kept."""
    in_callback.raised = None
    try:
        return int(index(_known[number].callback(string_at(der, size), depth)) != 0)
    except BaseException as e:
        in_callback.raised = e
        return 1


# One for all callbacks: the library may call it as long as there are connections, so it is never freed.
_thunk = CFUNCTYPE(c_int32, c_void_p, POINTER(c_uint8), c_size_t, c_int32)(_verdict)


def set_callback(context: int, verifier: Optional[Verifier]) -> int:
    """Sets a context's callback, or removes it with None; returns the library's code."""
    if verifier is None:
        return lib.usocket_tls_context_set_verify_callback(context, None, None)
    return lib.usocket_tls_context_set_verify_callback(context, _thunk, verifier.number)
