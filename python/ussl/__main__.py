"""`python -m ussl script.py`: runs a program of MicroPython; see `ussl.compat`."""

from .compat import main

main()
