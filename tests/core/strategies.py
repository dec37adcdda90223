"""Texts that a compressor finds hard: the edges of zlib's window, blocks, trees and chains, and of LZ4's blocks."""

from __future__ import annotations

import random

from hypothesis import strategies as st

# Near these lengths something in zlib or liblz4 changes: a shortest match, the longest match, the lookahead, a block's
# symbols, the reach of a match, the window, the slide of the window (65,274), LZ4's 64 KB blocks.
EDGES = (3, 13, 258, 262, 4096, 16_383, 32_506, 32_768, 65_274, 65_535, 65_547)


def fibonacci(length: int, generator: random.Random) -> bytes:
    """Return shuffled bytes with Fibonacci frequencies, whose Huffman codes grow past every limit."""
    counts = [1, 1]
    while sum(counts) < length and len(counts) < 23:
        counts.append(counts[-1] + counts[-2])
    text = [byte for byte, count in enumerate(counts) for _ in range(count)]
    generator.shuffle(text)
    return bytes(text[:length])


def copies(length: int, generator: random.Random) -> bytes:
    """Return fresh bytes mixed with copies of earlier ones, at all distances and of awkward lengths."""
    text = bytearray(generator.randbytes(20))
    while len(text) < length:
        if generator.random() < 0.5:
            text += generator.randbytes(generator.randint(1, 20))
        else:
            distance = generator.randint(1, min(len(text), 33_000))
            size = generator.choice((3, 4, 5, 10, 32, 128, 258, 300))
            text += (text[-distance:] * (size // distance + 1))[:size]
    return bytes(text[:length])


def repeated(length: int, generator: random.Random) -> bytes:
    """Return a random block of 1 to 300 bytes over and over."""
    block = generator.randbytes(generator.randint(1, 300))
    return (block * (length // len(block) + 1))[:length]


def words(length: int, generator: random.Random) -> bytes:
    """Return a sequence of words from a small vocabulary."""
    vocabulary = [generator.randbytes(generator.randint(1, 9)) for _ in range(generator.randint(2, 40))]
    text = bytearray()
    while len(text) < length:
        text += generator.choice(vocabulary)
    return bytes(text[:length])


def made(kind: str, length: int, seed: int) -> bytes:
    """Return a text of a kind and length: the same for the same arguments, so that hypothesis can replay it."""
    generator = random.Random(seed)
    if kind == "one byte":
        return bytes([generator.randrange(256)]) * length
    if kind == "all bytes":
        return (bytes(range(256)) * (length // 256 + 1))[:length]
    if kind == "incompressible":
        return generator.randbytes(length)
    if kind == "few symbols":
        return bytes(generator.choices(bytes(range(generator.randint(1, 5))), k=length))
    if kind == "skewed":  # code lengths all over the place: the tree of the code lengths overflows its 7 bits
        return bytes(min(255, int(generator.expovariate(1) * 40)) for _ in range(length))
    return {"fibonacci": fibonacci, "copies": copies, "periods": repeated, "words": words}[kind](length, generator)


KINDS = (
    "one byte",
    "all bytes",
    "incompressible",
    "few symbols",
    "skewed",
    "fibonacci",
    "copies",
    "periods",
    "words",
)


def texts(longest: int) -> st.SearchStrategy[bytes]:
    """Texts of up to about `longest` bytes: short ones of any bytes, and made ones of any length or near an edge."""
    edges = [edge for edge in EDGES if edge <= longest]
    lengths = st.one_of(
        st.integers(0, min(longest, 1200)),
        st.integers(0, longest),
        st.tuples(st.sampled_from(edges), st.integers(-3, 3)).map(sum),
    )
    return st.one_of(
        st.binary(max_size=8),
        st.binary(max_size=200),
        st.builds(made, st.sampled_from(KINDS), lengths, st.integers(0, 2**32)),
    )


@st.composite
def pairs(draw: st.DrawFn, longest: int) -> tuple[bytes, list[bytes]]:
    """A source and targets, some of which go on where the source stops, so that matches span the boundary."""
    source = draw(texts(longest))
    targets = draw(st.lists(texts(1200), min_size=1, max_size=5))
    end = source[-draw(st.integers(1, 400)) :]
    targets.append(end)
    targets.append(end[-2:] + end[: draw(st.integers(0, 5))] + end)  # the boundary's trigrams recur
    targets.append(source[: draw(st.integers(0, 300))])
    return source, draw(st.permutations(targets))
