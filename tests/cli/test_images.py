"""Decoding, resizing and cropping beside Pillow, which the original uses: tests/tools/crop_images does what
`lowshot extract` does to a file before the network."""

import io
import os
import struct
import subprocess
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conftest import ROOT


@pytest.fixture(scope="session")
def tool():
    path = Path(os.environ.get("LOWSHOT_CROP_IMAGES", ROOT / "build/release/tests/crop_images"))
    if not path.exists():
        pytest.skip("the tests' program crop_images is not there (a build without the extraction)")
    return path


@pytest.fixture
def run(tool, tmp_path):
    """run(files, action, scale, crop): an array, or the message where a file is refused, for each file (bytes)."""

    def go(files, action="decode", scale=256, crop=224):
        results = []
        for begin in range(0, len(files), 200):
            names = []
            for i, data in enumerate(files[begin:begin + 200]):
                names.append(tmp_path / f"{i}.image")
                names[-1].write_bytes(data)
            out = subprocess.run([tool, action, str(scale), str(crop), *names], stdout=subprocess.PIPE, check=True,
                                 timeout=300).stdout
            while out:
                width, height = struct.unpack("<ii", out[:8])
                size = height if width < 0 else width * height * 3
                body, out = out[8:8 + size], out[8 + size:]
                results.append(body.decode() if width < 0 else np.frombuffer(body, np.uint8).reshape(height, width, 3))
        assert len(results) == len(files)
        return results

    return go


def opened(data):
    """What Pillow makes of a file; nothing where it refuses."""
    try:
        return np.array(Image.open(io.BytesIO(data)).convert("RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None


def saved(image, format, **options):
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def photo(width, height, seed=0, channels=3):
    """Smooth shades with edges and some noise, so that a JPEG has all kinds of blocks."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    planes = [127 + 90 * np.sin((x * (c + 1) + seed * 7) / 23) * np.cos((y * (c + 2)) / 31) + 30 * ((x // 16 + y // 9) % 2)
              for c in range(channels)]
    values = np.stack(planes, -1) + random.normal(0, 6, (height, width, channels))
    return np.clip(values, 0, 255).astype(np.uint8)


# --- JPEG ------------------------------------------------------------------------------------------------------------

SIZES = [(1, 1), (2, 3), (7, 5), (8, 8), (9, 17), (16, 16), (17, 33), (64, 48), (127, 131), (500, 375)]


@pytest.mark.parametrize("options", [dict(quality=90), dict(quality=30, subsampling=0), dict(quality=75, subsampling=1),
                                     dict(quality=75, subsampling=2), dict(quality=85, progressive=True),
                                     dict(quality=85, optimize=True), dict(quality=80, restart_marker_blocks=3)], ids=str)
def test_jpeg(run, options):
    files = [saved(Image.fromarray(photo(w, h, i)), "JPEG", **options) for i, (w, h) in enumerate(SIZES)]
    for data, found in zip(files, run(files)):
        np.testing.assert_array_equal(found, opened(data))


def with_adobe(data, transform):
    """A JPEG file with an Adobe marker behind its start."""
    return data[:2] + b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00" + bytes([transform]) + data[2:]


def test_jpeg_of_other_colours(run):
    files = []
    for w, h in SIZES:
        files.append(saved(Image.fromarray(photo(w, h, channels=3)[:, :, 0]), "JPEG"))
        cmyk = Image.fromarray(photo(w, h, 3, channels=4), mode="CMYK")
        files.append(saved(cmyk, "JPEG", quality=90))
        without = saved(cmyk, "JPEG", quality=90).replace(b"Adobe", b"Other")
        files += [without, with_adobe(without, 2)]  # the latter: YCCK
        files.append(saved(Image.fromarray(photo(w, h)), "JPEG", keep_rgb=True))
    for data, found in zip(files, run(files)):
        np.testing.assert_array_equal(found, opened(data))


def test_exif_orientation_is_not_applied(run):
    image = Image.fromarray(photo(40, 20))
    exif = Image.Exif()
    exif[0x0112] = 6
    found, = run([saved(image, "JPEG", exif=exif)])
    assert found.shape == (20, 40, 3)


# --- PNG -------------------------------------------------------------------------------------------------------------

def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


PASSES = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def png(samples, depth, colour, chunks=b"", interlaced=False):
    """A PNG file of height x width x channels samples: every kind, which Pillow's own writer does not offer."""

    def rows(part):
        lines = []
        for row in part.reshape(part.shape[0], -1):
            if depth == 16:
                packed = row.astype(">u2").tobytes()
            else:
                bits = (row[:, None] >> np.arange(depth - 1, -1, -1)) & 1
                packed = np.packbits(bits.astype(np.uint8).reshape(-1)).tobytes()
            lines.append(b"\0" + packed)
        return b"".join(lines)

    height, width = samples.shape[:2]
    if interlaced:
        parts = [samples[y::dy, x::dx] for x, y, dx, dy in PASSES]
        raw = b"".join(rows(part) for part in parts if part.size)
    else:
        raw = rows(samples)
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlaced))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunks + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")


KINDS = [(0, depth, 1) for depth in (1, 2, 4, 8, 16)] + [(2, 8, 3), (2, 16, 3), (4, 8, 2), (4, 16, 2), (6, 8, 4), (6, 16, 4)]
KINDS += [(3, depth, 1) for depth in (1, 2, 4, 8)]


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("colour,depth,channels", KINDS)
@pytest.mark.filterwarnings("ignore:Palette images with Transparency")
def test_png(run, colour, depth, channels, interlaced):
    random = np.random.default_rng(depth)
    files = []
    for width, height in [(1, 1), (1, 9), (9, 1), (2, 2), (3, 5), (4, 4), (5, 3), (8, 8), (13, 21), (67, 41)]:
        samples = random.integers(0, 1 << depth, (height, width, channels))
        if depth == 16:  # small values are the interesting ones
            samples[::2] = random.integers(0, 600, samples[::2].shape)
        palettes = [b""]
        if colour == 3:
            whole, part = (chunk(b"PLTE", random.bytes(3 * n)) for n in (1 << depth, max(1, (1 << depth) - 1)))
            palettes = [whole, whole + chunk(b"tRNS", random.bytes(1)), part]
        elif colour == 0 and depth != 16:
            palettes.append(chunk(b"tRNS", b"\0\1"))
        elif colour == 2:
            palettes.append(chunk(b"tRNS", b"\0\1\0\2\0\3"))
        files += [png(samples, depth, colour, p, interlaced) for p in palettes]
    for data, found in zip(files, run(files)):
        expected = opened(data)
        assert expected is not None
        np.testing.assert_array_equal(found, expected)


def test_png_of_pillow_with_filters_and_large_texts(run):
    from PIL.PngImagePlugin import PngInfo
    texts = PngInfo()
    texts.add_text("note", "x" * 9_000_000)  # above libpng's own limit for a chunk; it is stepped over
    texts.add_text("packed", "y" * 9_000_000, zip=True)
    image = Image.fromarray(photo(300, 200))
    files = [saved(image, "PNG"), saved(image, "PNG", optimize=True), saved(image.convert("P"), "PNG"),
             saved(image.convert("RGBA"), "PNG", pnginfo=texts, icc_profile=b"p" * 100_000, dpi=(72, 72))]
    for data, found in zip(files, run(files)):
        np.testing.assert_array_equal(found, opened(data) if len(data) < 1 << 20 else np.array(image))


# --- damaged files ---------------------------------------------------------------------------------------------------

def damaged_only_where_pillow_opens(run, files, must_refuse):
    refused = 0
    for data, found in zip(files, run(files)):
        expected = opened(data)
        if isinstance(found, str):
            refused += 1
            assert "cut off" in found or "damaged" in found or "no image" in found or "empty" in found
        else:
            assert expected is not None, f"Pillow refuses a file of {len(data)} bytes that is opened here"
            np.testing.assert_array_equal(found, expected)
    assert refused >= must_refuse


@pytest.mark.parametrize("options", [dict(quality=90), dict(quality=90, progressive=True)], ids=str)
def test_cut_jpeg(run, options):
    data = saved(Image.fromarray(photo(160, 120)), "JPEG", **options)
    files = [data[:n] for n in [*range(0, len(data), 64), *range(len(data) - 8, len(data))]]
    damaged_only_where_pillow_opens(run, files, len(data) // 64)


@pytest.mark.parametrize("interlaced", [False, True])
def test_cut_png(run, interlaced):
    data = png(photo(60, 50).astype(int), 8, 2, interlaced=interlaced)
    files = [data[:n] for n in [*range(0, len(data), 64), *range(len(data) - 24, len(data))]]
    damaged_only_where_pillow_opens(run, files, len(data) // 64)


@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_flipped_bytes(run, format):
    """Where an image comes out of a damaged file it is Pillow's, holes and all."""
    random = np.random.default_rng(5)
    data = saved(Image.fromarray(photo(64, 48)), format)
    files = []
    for _ in range(400):
        damaged = bytearray(data)
        for place in random.integers(0, len(data), random.integers(1, 4)):
            damaged[place] ^= 1 << random.integers(0, 8)
        files.append(bytes(damaged))
    damaged_only_where_pillow_opens(run, files, 20)


def test_refusals_name_the_format(run):
    image = Image.fromarray(photo(8, 8))
    cases = [(b"", "empty"), (b"<html>not found</html>", "no image of a known format"),
             (saved(image, "GIF"), "GIF files are not read, only JPEG and PNG"), (saved(image, "BMP"), "BMP files"),
             (saved(image, "TIFF"), "TIFF files"), (saved(image, "WEBP"), "WebP files"), (saved(image, "PPM"), "PPM files")]
    for (_, pattern), message in zip(cases, run([data for data, _ in cases])):
        assert isinstance(message, str) and pattern in message


def test_huge_headers_are_refused_within_little_memory(tool, tmp_path):
    header = struct.pack(">IIBBBBB", 20000, 20000, 8, 2, 0, 0, 0)
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b""))
    small = saved(Image.fromarray(photo(8, 8)), "JPEG")
    place = small.index(b"\xff\xc0") + 5
    (tmp_path / "a.jpg").write_bytes(small[:place] + struct.pack(">HH", 20000, 20000) + small[place + 4:])
    # 64 MiB of address space: the image would take 1.2 GB.
    done = subprocess.run(f"ulimit -v 65536; {tool} decode 256 224 {tmp_path}/a.png {tmp_path}/a.jpg", shell=True,
                          executable="/bin/bash", stdout=subprocess.PIPE, timeout=60)
    assert done.returncode == 0
    assert done.stdout.count(b"the image is announced as 20000 x 20000, and at most 178956970 pixels are read") == 2


# --- resizing and cropping -------------------------------------------------------------------------------------------

def scaled_size(width, height, scale):
    if not scale or min(width, height) == scale:
        return width, height
    if width < height:
        return scale, int(scale * height / width)
    return int(scale * width / height), scale


def check_crop(found, image, scale, crop):
    """At most one level from Pillow's, which rounds twice, and half a level from the exact value: Pillow's own filter on
    channels in floating point."""
    assert np.abs(found.astype(int) - cropped(image, scale, crop)).max() <= 1
    exact = np.stack([cropped(channel.convert("F"), scale, crop) for channel in image.split()], axis=-1)
    assert np.abs(found - exact).max() <= 0.5 + 1e-3


def cropped(image, scale, crop):
    width, height = scaled_size(*image.size, scale)
    if (width, height) != image.size:
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    top, left = int(round((height - crop) / 2.0)), int(round((width - crop) / 2.0))
    return np.array(image.crop((left, top, left + crop, top + crop)))


@pytest.mark.parametrize("scale,crop", [(256, 224), (256, 255), (36, 32), (33, 32), (0, 32), (0, 224), (64, 7), (64, 64),
                                        (20, 33)])
def test_crop(run, scale, crop):
    sizes = [(1, 1), (1, 2), (3, 1), (5, 4), (31, 32), (32, 32), (33, 32), (35, 35), (100, 64), (255, 256), (256, 256),
             (256, 300), (257, 256), (375, 500), (500, 375), (501, 333), (640, 481), (1023, 767)]
    images = [Image.fromarray(photo(w, h, i)) for i, (w, h) in enumerate(sizes)]
    found = run([saved(image, "PNG", compress_level=1) for image in images], "crop", scale, crop)
    for image, pixels in zip(images, found):
        check_crop(pixels, image, scale, crop)


def test_crop_of_large_and_of_noisy_images(run):
    random = np.random.default_rng(1)
    arrays = [photo(3000, 2000), random.integers(0, 2, (700, 900, 3), dtype=np.uint8) * 255, np.full((300, 400, 3), 255, np.uint8)]
    images = [Image.fromarray(a) for a in arrays]
    for image, pixels in zip(images, run([saved(i, "PNG", compress_level=1) for i in images], "crop")):
        check_crop(pixels, image, 256, 224)


@pytest.mark.parametrize("width,height", [(1, 10000), (10000, 1), (2, 4001), (3, 20000)])
def test_crop_of_long_images(run, width, height):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))
    data = saved(image, "PNG")
    found, = run([data], "crop", 32, 28)
    check_crop(found, image, 32, 28)
    # At 256 the whole image would be gigabytes: its middle alone, from the pixels around it.
    found, = run([data], "crop")
    long, short = max(width, height), min(width, height)
    step = short / 256
    length = int(256 * long / short)
    first = int(round((length - 224) / 2.0))
    ratio = long / length
    box, size = (first * ratio, (first + 224) * ratio), (224, 256)
    if width < height:
        part = image.resize((256, 224), Image.Resampling.BILINEAR, box=(0, box[0], width, box[1]))
        expected = np.array(part)[:, 16:240]
    else:
        part = image.resize((224, 256), Image.Resampling.BILINEAR, box=(box[0], 0, box[1], height))
        expected = np.array(part)[16:240]
    assert np.abs(found.astype(int) - expected).max() <= 1
