"""A port with a GIL: a wait in the library lets the other threads run. Every test of the firmware,
there."""

import concurrent.futures
import subprocess

from run import TOP, firmware, firmware_tests


def test_everything_with_a_gil():
    built = subprocess.run([f"{TOP}/scripts/micropython-build", "gil"], capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    interpreter = built.stdout.strip()
    tests = [(module, name) for module, name, _ in firmware_tests(gil=True)]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        errors = list(pool.map(lambda t: firmware(interpreter, *t), tests))
    wrong = [f"{name}: {error}" for (_, name), error in zip(tests, errors) if error]
    assert not wrong, "; ".join(wrong)
