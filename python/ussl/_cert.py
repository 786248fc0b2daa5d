"""A certificate as the dict CPython's `getpeercert` gives. Nothing here decides about trust."""

from __future__ import annotations

import ipaddress
from typing import Any, Dict, Iterator, List, Tuple

_BOOLEAN_TO_SKIP, _OCTET_STRING, _OID, _SEQUENCE = 0x01, 0x04, 0x06, 0x30
_UTC_TIME, _BMP_STRING, _UNIVERSAL_STRING, _TELETEX_STRING = 0x17, 0x1E, 0x1C, 0x14
_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()

# The parts of a name, as OpenSSL calls them.
_NAMES = {
    "2.5.4.3": "commonName",
    "2.5.4.4": "surname",
    "2.5.4.5": "serialNumber",
    "2.5.4.6": "countryName",
    "2.5.4.7": "localityName",
    "2.5.4.8": "stateOrProvinceName",
    "2.5.4.9": "streetAddress",
    "2.5.4.10": "organizationName",
    "2.5.4.11": "organizationalUnitName",
    "2.5.4.12": "title",
    "2.5.4.13": "description",
    "2.5.4.15": "businessCategory",
    "2.5.4.16": "postalAddress",
    "2.5.4.17": "postalCode",
    "2.5.4.20": "telephoneNumber",
    "2.5.4.41": "name",
    "2.5.4.42": "givenName",
    "2.5.4.43": "initials",
    "2.5.4.44": "generationQualifier",
    "2.5.4.46": "dnQualifier",
    "2.5.4.65": "pseudonym",
    "2.5.4.97": "organizationIdentifier",
    "0.9.2342.19200300.100.1.1": "userId",
    "0.9.2342.19200300.100.1.25": "domainComponent",
    "1.2.840.113549.1.9.1": "emailAddress",
    "1.2.840.113549.1.9.2": "unstructuredName",
    "1.3.6.1.4.1.311.60.2.1.1": "jurisdictionLocalityName",
    "1.3.6.1.4.1.311.60.2.1.2": "jurisdictionStateOrProvinceName",
    "1.3.6.1.4.1.311.60.2.1.3": "jurisdictionCountryName",
}
_SUBJECT_ALT_NAME, _CRL_POINTS, _INFO_ACCESS = "2.5.29.17", "2.5.29.31", "1.3.6.1.5.5.7.1.1"
_BASIC_CONSTRAINTS, _BOOLEAN = "2.5.29.19", 0x01
_ACCESS = {"1.3.6.1.5.5.7.48.1": "OCSP", "1.3.6.1.5.5.7.48.2": "caIssuers"}

Element = Tuple[int, bytes]


def _spans(der: bytes) -> Iterator[Tuple[int, int, int]]:
    """Where consecutive elements begin, where their content does, and where they end."""
    at = 0
    while at < len(der):
        if at + 2 > len(der):
            raise ValueError("the certificate is truncated")
        begin, size = at, der[at + 1]
        at += 2
        if size & 0x80:
            digits = size & 0x7F
            size = int.from_bytes(der[at : at + digits], "big")
            at += digits
        if at + size > len(der):
            raise ValueError("the certificate is truncated")
        yield begin, at, at + size
        at += size


def elements(der: bytes) -> Iterator[Element]:
    """Splits DER into consecutive elements: tag and content. ValueError for invalid DER."""
    return ((der[begin], der[at:end]) for begin, at, end in _spans(der))


def whole(der: bytes) -> Iterator[bytes]:
    """The same with their tags and lengths."""
    return (der[begin:end] for begin, _, end in _spans(der))


def _only(der: bytes) -> bytes:
    """The content of the first element."""
    return next(elements(der))[1]


def oid(content: bytes) -> str:
    """An object identifier in numbers and dots."""
    numbers, value = [], 0
    for byte in content:
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            numbers.append(value)
            value = 0
    first = min(numbers[0] // 40, 2)
    return ".".join(map(str, (first, numbers[0] - 40 * first, *numbers[1:])))


def _text(tag: int, content: bytes) -> str:
    if tag == _BMP_STRING:
        return content.decode("utf-16-be")
    if tag == _UNIVERSAL_STRING:
        return content.decode("utf-32-be")
    if tag == _TELETEX_STRING:
        return content.decode("latin-1")
    return content.decode("utf-8")


def _name(content: bytes) -> tuple[Any, ...]:
    """A name: a tuple of parts, each a tuple of (attribute, value)."""
    parts = []
    for _, part in elements(content):
        pairs = []
        for _, pair in elements(part):
            (_, kind), (tag, value) = list(elements(pair))[:2]
            number = oid(kind)
            pairs.append((_NAMES.get(number, number), _text(tag, value)))
        parts.append(tuple(pairs))
    return tuple(parts)


def _time(tag: int, content: bytes) -> str:
    """A time as OpenSSL prints it: "Jan  1 00:00:00 2020 GMT"."""
    digits = content.decode("ascii")
    if tag == _UTC_TIME:
        digits = ("19" if digits[:2] >= "50" else "20") + digits
    year, month, day = digits[:4], int(digits[4:6]), int(digits[6:8])
    clock = f"{digits[8:10]}:{digits[10:12]}:{digits[12:14]}"
    return f"{_MONTHS[month - 1]} {day:2d} {clock} {year} GMT"


def _general_name(tag: int, content: bytes) -> Tuple[str, object]:
    kind = tag & 0x1F
    if kind in (1, 2, 6):
        return {1: "email", 2: "DNS", 6: "URI"}[kind], content.decode("utf-8", "surrogateescape")
    if kind == 7:
        if len(content) == 4:
            return "IP Address", str(ipaddress.IPv4Address(content))
        if len(content) == 16:
            groups = (int.from_bytes(content[i : i + 2], "big") for i in range(0, 16, 2))
            return "IP Address", ":".join(f"{g:X}" for g in groups)
        return "IP Address", "<invalid>"
    if kind == 4:
        return "DirName", _name(_only(content))
    if kind == 8:
        return "Registered ID", oid(content)
    return {0: "othername", 3: "X400Name", 5: "EdiPartyName"}.get(kind, "?"), "<unsupported>"


def _extension(found: Dict[str, object], kind: str, value: bytes) -> None:
    """Adds a known extension to the dict."""
    if kind == _SUBJECT_ALT_NAME:
        names = tuple(_general_name(*e) for e in elements(_only(value)))
        if names:
            found["subjectAltName"] = names
    elif kind == _INFO_ACCESS:
        for _, access in elements(_only(value)):
            (_, method), (tag, place) = list(elements(access))[:2]
            name = _ACCESS.get(oid(method))
            if name and tag & 0x1F == 6:
                found[name] = (*found.get(name, ()), place.decode())  # type: ignore[misc]
    elif kind == _CRL_POINTS:
        points: List[str] = []
        for _, point in elements(_only(value)):
            for tag, field in elements(point):
                if tag & 0x1F == 0:
                    uris = elements(_only(field))
                    points += [p.decode() for t, p in uris if t & 0x1F == 6]
        if points:
            found["crlDistributionPoints"] = tuple(points)


def as_dict(der: bytes) -> dict[Any, Any]:
    """The contents of a certificate (DER), in the form of CPython's `SSLSocket.getpeercert()`.

    Raises ValueError for an invalid certificate; UnicodeError is one.
    """
    try:
        return _as_dict(der)
    except (IndexError, StopIteration) as e:
        raise ValueError("the certificate is malformed") from e


def key_algorithm(der: bytes) -> str:
    """The object identifier of the algorithm of a certificate's public key. ValueError for an invalid
    certificate."""
    try:
        fields = [field for tag, field in elements(_only(_only(der))) if tag != 0xA0]
        return oid(_only(_only(fields[5])))
    except (IndexError, StopIteration) as e:
        raise ValueError("the certificate is badly encoded") from e


def _as_dict(der: bytes) -> dict[Any, Any]:
    fields = list(elements(_only(_only(der))))
    version = 1
    if fields[0][0] == 0xA0:
        version = int.from_bytes(_only(fields.pop(0)[1]), "big") + 1
    (_, serial), _, (_, issuer), (_, validity), (_, subject) = fields[:5]
    begin, end = list(elements(validity))[:2]
    number = int.from_bytes(serial, "big", signed=True)
    digits = f"{abs(number):X}"
    found: Dict[str, object] = {
        "subject": _name(subject),
        "issuer": _name(issuer),
        "version": version,
        "serialNumber": "-" * (number < 0) + digits.zfill(len(digits) + len(digits) % 2),
        "notBefore": _time(*begin),
        "notAfter": _time(*end),
    }
    for tag, field in fields[6:]:
        if tag == 0xA3:
            for _, extension in elements(_only(field)):
                kind, *rest = elements(extension)
                _extension(found, oid(kind[1]), rest[-1][1])
    return found


def is_ca(der: bytes) -> bool:
    """Whether a certificate is marked as a CA's, or issued itself before there were such marks."""
    try:
        fields = list(elements(_only(_only(der))))
        if fields[0][0] != 0xA0:
            return fields[2][1] == fields[4][1]
        for tag, field in fields[7:]:
            if tag == 0xA3:
                for _, extension in elements(_only(field)):
                    kind, *rest = elements(extension)
                    if oid(kind[1]) == _BASIC_CONSTRAINTS:
                        return next(elements(_only(rest[-1][1])), None) == (_BOOLEAN, b"\xff")
    except (ValueError, IndexError, StopIteration):
        pass
    return False
