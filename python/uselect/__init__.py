"""uselect: waiting for several sockets at once, MicroPython's `select` module for CPython.

    import uselect
    poller = uselect.poll()
    poller.register(s, uselect.POLLIN)
    for obj, events in poller.ipoll(1000):
        print(obj.recv(4096))
"""

from ._poll import POLLERR, POLLHUP, POLLIN, POLLNVAL, POLLOUT, POLLPRI, poll

__all__ = ["POLLERR", "POLLHUP", "POLLIN", "POLLNVAL", "POLLOUT", "POLLPRI", "poll"]
