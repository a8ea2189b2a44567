# Image.crop().resize() of Pillow 12 or older (13 goes down before across where that is cheaper, and
# rounds otherwise) on pictures that a few lines of arithmetic make: redirect to
# tests/golden/resize.tsv. The C test makes the same pictures.
#
# SPDX-License-Identifier: GPL-3.0-or-later
import hashlib
import sys

from PIL import Image, __version__

FILTERS = {"box": Image.Resampling.BOX, "bilinear": Image.Resampling.BILINEAR,
           "bicubic": Image.Resampling.BICUBIC, "lanczos": Image.Resampling.LANCZOS}


def picture(kind, width, height):
    out = bytearray(width * height * 3)
    state = 12345
    for i in range(width * height * 3):
        y, x, c = i // (width * 3), i // 3 % width, i % 3
        if kind == "noise":
            state = (state * 1103515245 + 12345) & 0xffffffff
            out[i] = state >> 24
        elif kind == "checker":
            out[i] = 255 * ((x + y) % 2)
        elif kind == "white":
            out[i] = 255
        elif kind == "ramp":
            out[i] = (x * (c + 1) + y * 2) & 255
    return Image.frombytes("RGB", (width, height), bytes(out))


CASES = [(kind, 61, 47, 0, 0, 61, 47, w, h)
         for kind in ("noise", "checker", "white", "black", "ramp")
         for w, h in ((30, 20), (224, 224), (61, 20), (30, 47), (61, 47), (1, 1), (200, 13))]
CASES += [
    ("noise", 1, 1, 0, 0, 1, 1, 7, 5), ("noise", 1, 40, 0, 0, 1, 40, 9, 9), ("noise", 40, 1, 0, 0, 40, 1, 9, 9),
    ("noise", 2000, 3, 0, 0, 2000, 3, 50, 7), ("ramp", 8000, 2, 0, 0, 8000, 2, 224, 224), ("noise", 3, 900, 0, 0, 3, 900, 64, 65),
    ("noise", 301, 203, 11, 7, 250, 198, 224, 224), ("noise", 301, 203, 100, 50, 101, 51, 16, 16),
    ("ramp", 301, 203, 0, 0, 301, 203, 384, 384), ("noise", 301, 203, 3, 5, 303 - 2, 199, 512, 333), ("noise", 640, 427, 0, 0, 640, 427, 512, 512),
]

print("# Pillow %s: picture width height x0 y0 x1 y1 width height filter sha256" % __version__)
made = {}
for kind, w, h, x0, y0, x1, y1, ow, oh in CASES:
    image = made.setdefault((kind, w, h), None) or picture(kind, w, h)
    made[(kind, w, h)] = image
    for name, f in FILTERS.items():
        result = image.crop((x0, y0, x1, y1)).resize((ow, oh), f)
        digest = hashlib.sha256(result.tobytes()).hexdigest()
        print(kind, w, h, x0, y0, x1, y1, ow, oh, name, digest, sep="\t", file=sys.stdout)
