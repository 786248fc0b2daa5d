"""The examples in README.md work when pasted."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
LIBRARY = ROOT / "target" / "release"


def examples(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.M | re.S)


def output(*command, **more):
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **more)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_the_c_example(tmp_path):
    [example] = examples("c")
    (tmp_path / "app.c").write_text(example)
    flags = ["-Wall", "-Wextra", "-Werror", f"-I{ROOT / 'include'}", f"-L{LIBRARY}"]
    output("cc", *flags, "-o", tmp_path / "app", tmp_path / "app.c", "-lusocket")
    said = output(tmp_path / "app", env={**os.environ, "LD_LIBRARY_PATH": str(LIBRARY)})
    assert re.fullmatch(r"127\.0\.0\.1:\d+ got hello\n", said)


def test_the_python_example():
    [example] = examples("python")
    env = {**os.environ, "PYTHONPATH": str(ROOT / "python")}
    said = output(sys.executable, "-W", "error", "-c", example, env=env)
    assert said == "127.0.0.1 sent b'hello\\n'\n"


def test_every_target_it_names_exists():
    makefiles = [ROOT / "Makefile", *ROOT.glob("scripts/*.mk")]
    targets = set(re.findall(r"^([\w-]+):", "".join(m.read_text() for m in makefiles), re.M))
    named = set(re.findall(r"^make ([a-z][a-z-]*)|`make ([a-z][a-z-]*)", README, re.M))
    named = {name for pair in named for name in pair if name}
    assert named and named <= targets, named - targets
