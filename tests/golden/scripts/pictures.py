# Small pictures of every kind that the decoder must read, and the pixels it must give:
# tests/fuzz/corpus/picture/* (they are the fuzz corpus too) and tests/golden/pictures.tsv.
# Expected pixels are Pillow's, or follow from the pattern where Pillow has another opinion
# (16 bits: the upper 8; alpha: dropped).
#
# SPDX-License-Identifier: GPL-3.0-or-later
import io
import os
import struct
import sys
import zlib

from PIL import Image, ImageOps

W, H = 20, 12
root = sys.argv[1]
corpus = os.path.join(root, "tests/fuzz/corpus/picture")
os.makedirs(corpus, exist_ok=True)
table = open(os.path.join(root, "tests/golden/pictures.tsv"), "w")
print("# file width height tolerance pixels (hex)", file=table)

pattern = Image.new("RGB", (W, H))
for y in range(H):
    for x in range(W):
        pattern.putpixel((x, y), (x * 12 + 8, y * 20 + 10, 255 - x * 6 - y * 10))
# No symmetry: each orientation gives other pixels.
pattern.paste((250, 30, 30), (0, 0, 6, 3))


def note(name, data, expected=None, tolerance=0):
    with open(os.path.join(corpus, name), "wb") as f:
        f.write(data)
    if expected is None:
        expected = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    print(name, *expected.size, tolerance, expected.tobytes().hex(), sep="\t", file=table)


def save(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def exif(orientation, big=False):
    order = ">" if big else "<"
    head = (b"MM\0*" if big else b"II*\0") + struct.pack(order + "I", 8)
    return head + struct.pack(order + "H", 2) + struct.pack(order + "HHIHH", 0x0100, 3, 1, W, 0) \
        + struct.pack(order + "HHIHH", 0x0112, 3, 1, orientation, 0) + struct.pack(order + "I", 0)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, depth, colour, rows, interlace=0, extra=b""):
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)) \
        + extra + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


note("rgb-444.jpg", save(pattern, "JPEG", quality=92, subsampling=0), tolerance=1)
note("rgb-420.jpg", save(pattern, "JPEG", quality=85), tolerance=1)
note("progressive.jpg", save(pattern, "JPEG", progressive=True), tolerance=1)
note("grey.jpg", save(pattern.convert("L"), "JPEG"), tolerance=1)
note("cmyk.jpg", save(pattern.convert("CMYK"), "JPEG", quality=95), tolerance=1)
for o in range(1, 9):
    note("orientation-%d.jpg" % o, save(pattern, "JPEG", subsampling=0, exif=b"Exif\0\0" + exif(o, o % 2 == 1)), tolerance=1)

raw = pattern.tobytes()
lines = b"".join(b"\0" + raw[y * W * 3:(y + 1) * W * 3] for y in range(H))
note("rgb.png", save(pattern, "PNG"))
alpha = Image.merge("L", [Image.frombytes("L", (W, H), bytes(i % 256 for i in range(W * H)))])
note("rgba.png", save(Image.merge("RGBA", [*pattern.split(), alpha]), "PNG"), pattern)
grey = pattern.convert("L")
note("grey.png", save(grey, "PNG"), grey.convert("RGB"))
note("grey-alpha.png", save(Image.merge("LA", [grey, alpha]), "PNG"), grey.convert("RGB"))
note("palette.png", save(pattern.quantize(16), "PNG"))
few = pattern.quantize(8)
note("palette-transparent.png", save(few, "PNG", transparency=3), few.convert("RGB"))
note("one-bit.png", save(pattern.convert("1"), "PNG"))
note("rgb-16.png", png(W, H, 16, 2, b"".join(b"\0" + b"".join(bytes((v, 77)) for v in raw[y * W * 3:(y + 1) * W * 3]) for y in range(H))), pattern)
g = grey.tobytes()
note("grey-16.png", png(W, H, 16, 0, b"".join(b"\0" + b"".join(bytes((v, 200)) for v in g[y * W:(y + 1) * W]) for y in range(H))), grey.convert("RGB"))
passes = b""
for x0, y0, dx, dy in ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)):
    for y in range(y0, H, dy):
        row = b"".join(raw[(y * W + x) * 3:(y * W + x) * 3 + 3] for x in range(x0, W, dx))
        passes += b"\0" + row if row else b""
note("interlaced.png", png(W, H, 8, 2, passes, 1), pattern)
for o in (3, 5, 8):
    data = png(W, H, 8, 2, lines, 0, chunk(b"eXIf", exif(o)))
    note("orientation-%d.png" % o, data, ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))

note("lossless.webp", save(pattern, "WEBP", lossless=True))
note("alpha.webp", save(Image.merge("RGBA", [*pattern.split(), alpha]), "WEBP", lossless=True, exact=True), pattern)
note("lossy.webp", save(pattern, "WEBP", quality=80), tolerance=1)
for o in (6, 7):
    note("orientation-%d.webp" % o, save(pattern, "WEBP", lossless=True, exif=exif(o)))
one = Image.new("RGB", (1, 1), (9, 8, 7))
note("one.png", save(one, "PNG"))
note("one.webp", save(one, "WEBP", lossless=True))
note("one.jpg", save(one, "JPEG"), tolerance=1)

# Refused ones: no line in the table.
for name, data in (
        ("refused-huge.png", png(30000, 30000, 8, 2, b"\0" * 100)),
        ("refused-wide.png", png(2000000, 1, 8, 2, b"\0" * 100)),
        ("refused-zero.png", png(0, 12, 8, 2, lines)),
        ("refused-text.jpg", b"this is a text, not a picture\n"),
        ("refused-animation.webp", save(pattern, "WEBP", save_all=True, append_images=[pattern.rotate(90)], duration=50, lossless=True)),
        ("refused-short.jpg", save(pattern, "JPEG", quality=92, subsampling=0)[:600]),
        ("refused-short.png", save(pattern, "PNG")[:-40]),
        ("refused-short.webp", save(pattern, "WEBP", lossless=True)[:-20])):
    with open(os.path.join(corpus, name), "wb") as f:
        f.write(data)
exifs = os.path.join(root, "tests/fuzz/corpus/exif")
os.makedirs(exifs, exist_ok=True)
for name, data in (("little", exif(6)), ("big", b"Exif\0\0" + exif(3, True)), ("far", exif(6)[:4] + struct.pack("<I", 0xfffffff0) + exif(6)[8:])):
    with open(os.path.join(exifs, name), "wb") as f:
        f.write(data)
masks = os.path.join(root, "tests/fuzz/corpus/mask")
os.makedirs(masks, exist_ok=True)
for name, data in (("noise", struct.pack("<HH", 5, 3) + b"01242MM"), ("corners", struct.pack("<HH", 640, 480) + b"01n>0RcZ90n\\eF0"), ("zero-runs", struct.pack("<HH", 2, 2) + b"1012")):
    with open(os.path.join(masks, name), "wb") as f:
        f.write(data)
