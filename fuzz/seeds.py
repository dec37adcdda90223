"""Write the fuzzers' first inputs: small texts of every kind that the kernel treats differently.

python fuzz/seeds.py FOLDER
"""

from __future__ import annotations

import random
import sys
from pathlib import Path


def fibonacci(symbols: int) -> bytes:
    """Return a text in which symbol i occurs Fibonacci(i) times: the deepest Huffman tree for its length."""
    counts = [1, 1]
    while len(counts) < symbols:
        counts.append(counts[-1] + counts[-2])
    text = [byte for byte, count in enumerate(counts) for _ in range(count)]
    random.Random(0).shuffle(text)
    return bytes(text)


def seeds() -> list[bytes]:
    """Return the inputs; their first bytes steer (see input.hpp), and any bytes do for that."""
    generator = random.Random(0)
    prose = b"the quick brown fox jumps over the lazy dog; the dog does not mind. " * 4
    texts = [
        b"",
        b"\x05",
        b"a" * 700,
        bytes(range(256)) * 2,
        b"abc" * 300,
        generator.randbytes(1000),
        prose,
        prose + generator.randbytes(300) + prose,
        bytes(generator.choices(b"ab", k=2000)),
        fibonacci(17),
        b"".join(generator.choices([b"theorem ", b"lemma ", b"by simp\n", b"  ", b"\xce\xbb x, "], k=400)),
    ]
    records = [
        b'{"text": "a\\n\\u00e9 \\ud83d\\ude00 \xce\xbb", "source": "s", "a": [1.5e-7, -0, {"b": true, "c": [[]]}]}',
        b'{"a": "x", "text": "' + prose + b'", "b": {"text": "y", "text": "z"}}\r\n\n{"text": "\\ud800"}',
        b'{"text": 1, "n": {' + b",".join(b'"%d": 0' % number for number in range(66)) + b"}}",
    ]
    return records + [bytes([level, 3, 40, 1, 90, 1, 120, 1]) + text for text in texts for level in (0, 3, 5, 8)]


def main() -> None:
    """Write one file for each seed."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds()):
        (folder / f"{number:03}").write_bytes(seed)


if __name__ == "__main__":
    main()
