# Compressed run lengths of pycocotools for masks that a few lines of arithmetic make; redirect to
# tests/golden/masks.tsv. The C test makes the same masks.
#
# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
from pycocotools import mask as coco


def bits(kind, width, height):
    out = np.zeros((height, width), np.uint8)
    state = 12345
    for y in range(height):
        for x in range(width):
            if kind == "noise":
                state = (state * 1103515245 + 12345) & 0xffffffff
                out[y, x] = state >> 31
            elif kind == "full":
                out[y, x] = 1
            elif kind == "checker":
                out[y, x] = (x + y) % 2
            elif kind == "ellipse":
                dx, dy = 2 * x + 1 - width, 2 * y + 1 - height
                out[y, x] = dx * dx * height * height + dy * dy * width * width <= width * width * height * height * 3 // 4
            elif kind == "corners":
                out[y, x] = (x in (0, width - 1)) and (y in (0, height - 1))
    return out


print("# mask width height area left top right bottom; string; IoU with the ellipse of that size")
for kind, w, h in [(k, w, h) for k in ("empty", "full", "checker", "noise", "ellipse", "corners")
                   for w, h in ((1, 1), (5, 3), (64, 48), (70, 200), (640, 480))]:
    if kind in ("noise", "checker") and w * h > 10000:
        continue
    m = bits(kind, w, h)
    rle = coco.encode(np.asfortranarray(m))
    other = coco.encode(np.asfortranarray(bits("ellipse", w, h)))
    ys, xs = np.nonzero(m)
    box = (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1) if len(xs) else (0, 0, 0, 0)
    iou = coco.iou([rle], [other], [0])[0, 0]
    print(kind, w, h, int(m.sum()), *box, rle["counts"].decode(), "%.17g" % iou, sep="\t")
