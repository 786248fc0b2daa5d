"""Callbacks of contexts, which the library calls through pointers to C functions, each with a number."""

from __future__ import annotations

from itertools import count
from typing import Any, Callable, Optional
from weakref import WeakValueDictionary

_numbers = count(1)


class Callback:
    """A callback while a context or a connection refers to it: a connection keeps the callback that its
    context had when it was made, also after the context has got another one.

    The C function is one for all callbacks of a kind, and never freed: the library may call it as long
    as there are connections."""

    __slots__ = ("__weakref__", "callback", "number")

    def __init__(self, callback: Callable[..., Any]) -> None:
        self.callback, self.number = callback, next(_numbers)
        _known[self.number] = self


_known: WeakValueDictionary[int, Any] = WeakValueDictionary()


def known(number: int) -> Any:
    """The callback that a C function was called with."""
    return _known[number]


def set_callback(
    setter: Callable[..., int], context: int, function: Any, callback: Optional[Callback]
) -> int:
    """Gives a context a callback, or removes it with None; returns the library's code."""
    if callback is None:
        return setter(context, None, None)
    return setter(context, function, callback.number)
