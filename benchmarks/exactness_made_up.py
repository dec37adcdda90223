"""Compare the kernel's sizes with zlib's and lz4's on made-up texts that its shortcuts might stumble over.

    python benchmarks/exactness_made_up.py [--rounds 20] [--seed 1]

Each round takes 40 sources and 25 targets of 0 to 15,000 bytes, all levels of gzip and LZ4, every instruction set. The
texts have alphabets of all sizes, above all around the 127 symbols up to which Huffman trees are built in the lanes of
vectors; counts that are equal, geometric or Fibonacci's, whose trees are deepest; and matches of every length and
distance. Ends with an error if a single size differs.
"""

from __future__ import annotations

import argparse
import random

from exactness import mismatches

METHODS = [*(str(level) for level in range(1, 10)), "lz4"]
ALPHABETS = [1, 2, 3, 16, 60, 120, 124, 125, 126, 127, 128, 129, 130, 200, 255, 256]
SIZES = [0, 1, 5, 50, 300, 1000, 3000, 15_000]
WORDS = [b"def f(x): ", b"return ", b"lemma ", b"  ", b"\n", b"0", b"1"]


def independent(rng: random.Random, symbols: list[int], size: int) -> bytes:
    return bytes(rng.choices(symbols, k=size))


def geometric(rng: random.Random, symbols: list[int], size: int) -> bytes:
    return bytes(symbols[min(int(rng.expovariate(0.3)), len(symbols) - 1)] for _ in range(size))


def fibonacci(rng: random.Random, symbols: list[int], size: int) -> bytes:
    count, following, text = 1, 1, bytearray()
    for symbol in symbols:
        text += bytes([symbol]) * min(count, size)
        count, following = following, count + following
        if len(text) > size:
            break
    return bytes(rng.sample(text, len(text)))[:size]


def equal(rng: random.Random, symbols: list[int], size: int) -> bytes:
    text = symbols * max(1, size // len(symbols))
    return bytes(rng.sample(text, len(text)))[:size]


def once_or_twice(rng: random.Random, symbols: list[int], size: int) -> bytes:
    text = symbols + symbols[: rng.randrange(len(symbols) + 1)]
    return bytes(rng.sample(text, len(text)))[:size]


def copies(rng: random.Random, symbols: list[int], size: int) -> bytes:
    text = bytearray(rng.choices(symbols, k=30))
    while len(text) < size:
        if rng.random() < 0.5:
            distance = rng.randrange(1, len(text) + 1)
            for _ in range(rng.randrange(3, 259)):
                text.append(text[-distance])
        else:
            text += bytes(rng.choices(symbols, k=rng.randrange(1, 9)))
    return bytes(text[:size])


def words(rng: random.Random, _: list[int], size: int) -> bytes:
    return b"".join(rng.choices(WORDS, k=size // 6))


KINDS = [independent, geometric, fibonacci, equal, once_or_twice, copies, words]


def made_up(rng: random.Random) -> bytes:
    symbols = rng.sample(range(256), rng.choice(ALPHABETS))
    return rng.choice(KINDS)(rng, symbols, rng.choice(SIZES))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    rng = random.Random(given.seed)
    compared = 0
    for number in range(given.rounds):
        sources, targets = ([made_up(rng) for _ in range(count)] for count in (40, 25))
        for method in METHODS:
            wrong = mismatches(sources, targets, method)
            if any(wrong.values()):
                raise SystemExit(f"round {number}, {method}: sizes differ: {wrong}")
            compared += len(wrong) * len(sources) * len(targets)
    print(f"{compared} sizes of pairs, none differs")


if __name__ == "__main__":
    main()
