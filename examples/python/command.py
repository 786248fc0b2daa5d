"""What the examples' command lines have in common: arguments that are checked, errors that are a sentence,
the exit status."""

import argparse
import sys


def parser(text):
    """A parser of arguments; the first line of a module's text says what it is for."""
    return argparse.ArgumentParser(description=text.splitlines()[0])


def port(text):
    """A port number."""
    if not text.isascii() or not text.isdigit() or not 0 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port (0 to 65535)")
    return int(text)


def run(main, arguments):
    """Ends the program as `main` did: 0 when it gave true or nothing, 1 when not, or with what went wrong
    in a sentence, and 130 after Ctrl-C."""
    try:
        good = main(**vars(arguments))
    except KeyboardInterrupt:
        sys.exit(130)
    except (OSError, ValueError) as e:
        what = e.strerror if isinstance(e, OSError) and e.strerror else e
        name = f"{e.filename}: " if getattr(e, "filename", None) else ""
        sys.exit(f"{sys.argv[0]}: {name}{what}")
    sys.exit(0 if good or good is None else 1)
