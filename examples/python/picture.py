"""The picture of the MaixPy examples: a BMP file, made here, and what to say about one."""

import struct
import zlib


def make(width=320, height=240):
    """A picture as the bytes of a 24-bit BMP file: a sunset over water."""
    rows = []
    for y in range(height):
        row = bytearray()
        for x in range(width):
            sky = y * 2 > height
            light = 255 * (y if sky else height - y) // height
            sun = (x - width // 2) ** 2 + (y - height * 5 // 8) ** 2 < (height // 8) ** 2
            row += bytes(
                (40, 220, 255) if sun else (255 - light, light // 3, light * (1 + sky) // 2)
            )
        rows.append(bytes(row) + bytes(-len(row) % 4))
    pixels = b"".join(rows)
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, len(pixels), 2835, 2835, 0, 0)
    return struct.pack("<2sIHHI", b"BM", 54 + len(pixels), 0, 0, 54) + header + pixels


def describe(data):
    """Size in pixels and bytes and the checksum, read from the file itself."""
    if data[:2] != b"BM" or struct.unpack_from("<I", data, 2)[0] != len(data):
        return f"{len(data)} bytes that are no whole BMP file"
    width, height = struct.unpack_from("<ii", data, 18)
    return f"{width}x{height} pixels, {len(data)} bytes, crc32 {zlib.crc32(data):08x}"
