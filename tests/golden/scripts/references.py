#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tiny lists of references as RefCOCO publishes them, for tests/unit/annotations.c and the fuzz target `annotations`.

Python 3 writes protocols 0, 1, 2 and 4. The published files are of Python 2, whose texts are bytes and whose numbers in the
memo begin at 1: written here by hand, in protocol 0 and 2. All are read back by pickle and compared. The first byte of each
file picks the format for the fuzz target.

usage: references.py FOLDER   (tests/fuzz/corpus/annotations)
"""
import pickle
import struct
import sys
from pathlib import Path

SENTENCES = [
    ["the running dog", "dog's left, \"big\" one", "back\\slash and\ttab"],
    ["café au lait", "snow ☃ and 😀"],
    ["second line\nof text"],
]
REFERENCES = [{
    "sent_ids": [10 * i + k for k in range(len(texts))], "file_name": f"COCO_train2014_{i:012d}_{i}.jpg", "ann_id": 7 + i, "ref_id": 70000 * i,
    "image_id": 1, "split": "train", "category_id": 18,
    "sentences": [{"tokens": text.split(), "raw": text.upper(), "sent_id": 10 * i + k, "sent": text} for k, text in enumerate(texts)],
} for i, texts in enumerate(SENTENCES)]
# Kinds of values that no reader of references looks at, but may meet.
REFERENCES[0]["extra"] = [None, True, False, -1, 255, 256, 65536, -(1 << 40), 0.25, (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), {}]


class Python2:
    """What Python 2's C pickler writes for such values."""

    def __init__(self, protocol):
        self.protocol, self.out, self.memo = protocol, bytearray(b"\x80\x02" if protocol == 2 else b""), {}

    def put(self, value):
        number = len(self.memo) + 1
        self.memo[id(value)] = number
        self.out += b"p%d\n" % number if self.protocol == 0 else b"q%c" % number if number < 256 else b"r" + struct.pack("<I", number)

    def write(self, value):
        if id(value) in self.memo:
            number = self.memo[id(value)]
            self.out += b"g%d\n" % number if self.protocol == 0 else b"h%c" % number if number < 256 else b"j" + struct.pack("<I", number)
        elif value is None:
            self.out += b"N"
        elif isinstance(value, bool):
            self.out += (b"I0%d\n" % value) if self.protocol == 0 else (b"\x88" if value else b"\x89")
        elif isinstance(value, int):
            small = -(1 << 31) <= value < 1 << 31
            if self.protocol == 0:
                self.out += b"I%d\n" % value if small else b"L%dL\n" % value
            elif small:
                self.out += b"K%c" % value if 0 <= value < 256 else b"M" + struct.pack("<H", value) if 0 <= value < 65536 else b"J" + struct.pack("<i", value)
            else:
                raw = value.to_bytes(8, "little", signed=True)
                self.out += b"\x8a%c" % len(raw) + raw
        elif isinstance(value, float):
            self.out += b"F%r\n" % value if self.protocol == 0 else b"G" + struct.pack(">d", value)
        elif isinstance(value, str):
            raw = value.encode()
            if self.protocol == 0:
                self.out += b"S" + repr(raw)[1:].encode() + b"\n"
            else:
                self.out += b"U%c" % len(raw) + raw
            self.put(value)
        elif isinstance(value, tuple):
            if self.protocol == 2 and len(value) < 4:
                for item in value:
                    self.write(item)
                self.out += (b")", b"\x85", b"\x86", b"\x87")[len(value)]
            else:
                self.out += b"("
                for item in value:
                    self.write(item)
                self.out += b"t"
            self.put(value)
        else:
            if self.protocol == 0:
                self.out += b"(l" if isinstance(value, list) else b"(d"
            else:
                self.out += b"]" if isinstance(value, list) else b"}"
            self.put(value)
            if self.protocol == 2 and value:
                self.out += b"("
            for item in value if isinstance(value, list) else value.items():
                for part in [item] if isinstance(value, list) else item:
                    self.write(part)
                if self.protocol == 0:
                    self.out += b"a" if isinstance(value, list) else b"s"
            if self.protocol == 2 and value:
                self.out += b"e" if isinstance(value, list) else b"u"

    def dump(self, value):
        self.write(value)
        return bytes(self.out + b".")


def main(folder):
    files = {f"refcoco-protocol-{protocol}": pickle.dumps(REFERENCES, protocol) for protocol in (0, 1, 2, 4)}
    files |= {f"refcoco-python2-{protocol}": Python2(protocol).dump(REFERENCES) for protocol in (0, 2)}
    for name, data in files.items():
        assert pickle.loads(data, encoding="utf-8") == REFERENCES, name
        Path(folder, name).write_bytes(b"\x01" + data)


main(sys.argv[1])
