"""A page as a headless browser draws it."""

import struct
import subprocess
import zlib


def first_pixel(png):
    """Red, green, blue of the upper left pixel: its bytes are stored as they are whatever the row's filter."""
    data, at = b"", 8
    while at < len(png):
        length, kind = struct.unpack(">I4s", png[at:at + 8])
        if kind == b"IDAT":
            data += png[at + 8:at + 8 + length]
        at += 12 + length
    return tuple(zlib.decompress(data)[1:4])


def check_drawn(page, scheme, size, least_bytes):
    """Not blank, and dark where the reader prefers dark (`scheme`: light or dark)."""
    folder = page.parent
    subprocess.run(["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}",
                    "--blink-settings=preferredColorScheme=" + ("0" if scheme == "dark" else "1"),
                    f"--screenshot={folder / 'page.png'}", f"--window-size={size}", f"file://{page}"],
                   check=True, capture_output=True, timeout=120)
    png = (folder / "page.png").read_bytes()
    assert len(png) > least_bytes
    corner = first_pixel(png)
    assert max(corner) < 64 if scheme == "dark" else min(corner) > 200, corner
