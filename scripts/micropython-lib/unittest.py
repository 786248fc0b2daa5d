# The part of unittest that MicroPython's network tests use. MicroPython's own is in micropython-lib, of
# which Debian's source package has only mip. Its output ends as its runner expects.
import sys


class SkipTest(Exception):
    pass


class TestCase:
    def setUp(self):
        pass

    def tearDown(self):
        pass

    def skipTest(self, reason):
        raise SkipTest(reason)

    def assertEqual(self, a, b, msg=""):
        assert a == b, "%r != %r %s" % (a, b, msg)

    def assertTrue(self, x, msg=""):
        assert x, msg

    def assertFalse(self, x, msg=""):
        assert not x, msg

    def assertIn(self, x, xs, msg=""):
        assert x in xs, "%r not in %r %s" % (x, xs, msg)

    def assertIsNone(self, x, msg=""):
        assert x is None, "%r is not None %s" % (x, msg)

    def assertRaises(self, kind, function=None, *args, **kw):
        if function is None:
            return Raises(kind)
        with Raises(kind):
            function(*args, **kw)


class Raises:
    def __init__(self, kind):
        self.kind = kind

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        assert kind is not None, "%r not raised" % self.kind
        self.exception = value
        return issubclass(kind, self.kind)


def main(module="__main__"):
    ran = failed = skipped = 0
    for cls in vars_of(module):
        case = cls()
        for name in sorted(dir(case)):
            if not name.startswith("test"):
                continue
            ran += 1
            try:
                case.setUp()
                getattr(case, name)()
                case.tearDown()
            except SkipTest:
                skipped += 1
            except Exception as e:
                failed += 1
                print(name)
                sys.print_exception(e)
    print("-" * 70)
    print("Ran %d tests" % ran)
    print()
    print("FAILED (failures=%d, errors=0)" % failed if failed else "OK (skipped=%d)" % skipped if skipped else "OK")


def vars_of(module):
    module = __import__(module)
    for name in dir(module):
        thing = getattr(module, name)
        if isinstance(thing, type) and issubclass(thing, TestCase) and thing is not TestCase:
            yield thing
