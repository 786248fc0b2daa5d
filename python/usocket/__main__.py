"""`python -m usocket`: which library this is and what it can do.

`python -m usocket run program.py ...`: runs a program whose `socket` and `ssl` are on libusocket.
"""

import sys

from . import features, library, version
from .standard import run

if sys.argv[1:2] == ["run"]:
    run(sys.argv[2:])
elif len(sys.argv) > 1:
    sys.exit("usage: python -m usocket [run (PROGRAM | -m MODULE) [ARGUMENT ...]]")
else:
    print(f"version: {version}")
    print(f"library: {library}")
    print(f"features: {features}")
