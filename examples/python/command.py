"""The common parts of the examples' command lines: checked arguments, errors as sentences, the exit
status."""

import argparse
import sys


def parser(text):
    """A parser of arguments; the first line of a module's docstring is its description."""
    return argparse.ArgumentParser(description=text.splitlines()[0])


def port(text):
    """A port number."""
    if not text.isascii() or not text.isdigit() or not 0 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port (0 to 65535)")
    return int(text)


def run(main, arguments):
    """Exits according to `main`: 0 if it returned true or None, 1 if not or after an error, printed as a
    sentence, and 130 after Ctrl-C."""
    try:
        good = main(**vars(arguments))
    except KeyboardInterrupt:
        sys.exit(130)
    except (OSError, ValueError) as e:
        what = e.strerror if isinstance(e, OSError) and e.strerror else e
        name = f"{e.filename}: " if getattr(e, "filename", None) else ""
        sys.exit(f"{sys.argv[0]}: {name}{what}")
    sys.exit(0 if good or good is None else 1)
