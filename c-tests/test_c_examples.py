"""The examples in C with what a person may type: a sentence and an exit status, never a guess."""

import subprocess

import pytest


@pytest.fixture(scope="module", autouse=True)
def built():
    programs = [f"target/examples/{name}" for name in ("https_get", "https_server")]
    subprocess.run(["make", "-s", *programs], check=True)


def run(name, *words):
    done = subprocess.run(
        [f"target/examples/{name}", *words], capture_output=True, text=True, timeout=60
    )
    assert done.stdout == ""
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    "url",
    ["", "foo", "http://localhost/", "https://", "https:///path", "https://[::1", "https://[]/",
     "https://h:", "https://h:foo", "https://h:0", "https://h:70000", "https://h:99999999999999999999",
     "https://h:1x", "https://[::1]x/", "https://" + "h" * 300, "https://h/" + "p" * 3000],
)
def test_https_get_takes_no_nonsense(url):
    code, said = run("https_get", url)
    assert code == 2 and said.splitlines()[1].startswith("usage: "), said


@pytest.mark.parametrize("url", ["https://127.0.0.1:1/", "https://[::1]:1", "https://127.0.0.1:1?q#f"])
def test_https_get_says_why_it_cannot(url):
    code, said = run("https_get", url)
    assert code == 1 and len(said.splitlines()) == 1, said


@pytest.mark.parametrize("port", ["", "foo", "-1", "65536", "80x", "99999999999999999999"])
def test_https_server_takes_no_nonsense(port):
    code, said = run("https_server", port, "cert", "key")
    assert code == 2 and said.startswith("usage: "), said


def test_arguments_that_are_missing():
    for name in ("https_get", "https_server"):
        assert run(name)[0] == 2
