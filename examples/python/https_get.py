"""Fetches a page over HTTPS and says how: version, cipher suite, key exchange, certificate.

    python3 examples/python/https_get.py [URL [CA_FILE]]

It trusts the system's certificates, or those of CA_FILE. Without arguments it starts https_server.py,
fetches from it, and shows the refusal of a server with an untrusted certificate.
"""

import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import command
import usocket
import ussl

TIMEOUT = 30  # seconds, for each operation


def part(name, kind):
    """A part of a certificate's name, such as the commonName."""
    return next((value for pairs in name for what, value in pairs if what == kind), "?")


def get(url, ca_file=None):
    """The status line and the body."""
    url = https(url) if isinstance(url, str) else url
    context = ussl.create_default_context(cafile=ca_file)
    context.set_alpn_protocols(["http/1.1"])
    plain = usocket.create_connection((url.hostname, url.port or 443), TIMEOUT)
    with plain, context.wrap_socket(plain, server_hostname=url.hostname) as s:
        certificate = s.getpeercert()
        issuer, subject = certificate["issuer"], certificate["subject"]
        print(f"  {url.hostname}: {s.version()}, {s.cipher()[0]}, {s.group()}")
        print(
            f"  certificate of {part(subject, 'commonName')} by {part(issuer, 'commonName')}, "
            f"until {certificate['notAfter']}"
        )
        path = (url.path or "/") + ("?" + url.query if url.query else "")
        s.write(f"GET {path} HTTP/1.1\r\nHost: {url.netloc}\r\nConnection: close\r\n\r\n")
        status, length = s.readline().decode().strip(), None
        while line := s.readline().strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        return status, s.read(-1 if length is None else length)


def with_a_server_of_its_own():
    program = Path(__file__).with_name("https_server.py")
    with subprocess.Popen([sys.executable, program], stdout=subprocess.PIPE, text=True) as server:
        try:
            trust, url = (server.stdout.readline().split()[1] for _ in range(2))
            status, body = get(url + "some/page", trust)
            print(f"  {status}: {body.decode()}", end="")
            try:
                get(url)
                print("  without trust: the page all the same!")
                return False
            except ussl.SSLCertVerificationError as e:
                print(f"  without trust: {e.verify_message}")
        finally:
            server.terminate()
            print(server.stdout.read(), end="")
    return status.endswith("200 OK") and b"some/page" in body


def https(text):
    """An address of a page, taken apart; ValueError for what is none of HTTPS."""
    url = urlsplit(text)
    if url.scheme != "https" or not url.hostname:
        raise ValueError(f"{text!r} is not https://HOST[:PORT]/PATH")
    url.port  # Raises ValueError for an invalid port.
    return url


def main(url, ca_file):
    print(f"usocket {usocket.version} ({usocket.features}): HTTPS")
    if url is None:
        return with_a_server_of_its_own()
    status, body = get(url, ca_file)
    print(f"  {status}: {len(body)} bytes")
    return " 200 " in status


def arguments():
    parser = command.parser(__doc__)
    parser.add_argument("url", nargs="?", help="https://...")
    parser.add_argument("ca_file", nargs="?", help="certificates to trust, PEM or DER")
    return parser.parse_args()


if __name__ == "__main__":
    command.run(main, arguments())
