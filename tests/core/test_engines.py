"""Both engines, the native core and its plain-Python twins, on every case: equal values, and equal exceptions."""

from __future__ import annotations

import ast
import inspect
import json
import math
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from json_lines_strategy import json_line

import zipfit
from zipfit.compression import reference as compression_reference
from zipfit.corpus import plain_reference
from zipfit.methods import cover_reference, hashed_ngrams_reference
from zipfit.methods.cover import PHIS, _table
from zipfit.methods.hashed_ngrams import character_classes
from zipfit.selection import preview_reference
from zipfit.system.texts import Texts

from .strategies import pairs, texts

if TYPE_CHECKING:
    from collections.abc import Callable

core = pytest.importorskip("zipfit._core", reason="the native kernel is not built")

TWINS = {
    "gzip_size": compression_reference,
    "lz4_size": compression_reference,
    "GzipPairs": compression_reference,
    "Lz4Pairs": compression_reference,
    "CoverFeatures": cover_reference,
    "CoverGreedy": cover_reference,
    "CoverMatches": cover_reference,
    "HashedNgrams": hashed_ngrams_reference,
    "json_lines": plain_reference,
    "plain_records": plain_reference,
    "text_digests": plain_reference,
    "witten_bell_bits": preview_reference,
}
ABOUT_THE_CORE = {"isa", "available_isas"}

many = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


class Twins:
    """The twins, under the names that they have in the native core."""

    def __getattr__(self, name: str) -> Any:
        return getattr(TWINS[name], name)


def outcome(case: Callable[[Any], Any], engine: Any) -> Any:
    """What a case gives: its value, with all types and bits, or its exception's type and words."""
    try:
        return spelled(case(engine))
    except (ValueError, TypeError, IndexError) as error:
        return type(error), str(error)


def spelled(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.dtype, value.shape, value.tobytes()
    if isinstance(value, tuple | list):
        return tuple(map(spelled, value))
    return type(value), value


def agree(case: Callable[[Any], Any]) -> Any:
    """Run a case on both engines; return what they agree on."""
    native = outcome(case, core)
    assert native == outcome(case, Twins())
    return native


def refused(case: Callable[[Any], Any], error: type[Exception], words: str) -> None:
    """Both engines refuse a case, in these words."""
    assert agree(case) == (error, words)


def test_every_name_of_the_core_has_a_twin() -> None:
    assert {name for name in dir(core) if not name.startswith("_")} - ABOUT_THE_CORE == set(TWINS)


STUB = ast.parse((Path(zipfit.__file__).parent / "_core.pyi").read_text(encoding="utf-8"))


def stub_signatures() -> dict[str, list[str]]:
    """The parameters of each function and method of the stub, those of a base class among its heirs'."""
    classes = {node.name: node for node in STUB.body if isinstance(node, ast.ClassDef)}
    found = {node.name: parameters(node) for node in STUB.body if isinstance(node, ast.FunctionDef)}
    for name, node in classes.items():
        for owner in (*(classes[base.id] for base in node.bases if getattr(base, "id", "") in classes), node):
            for method in owner.body:
                if isinstance(method, ast.FunctionDef):
                    found[f"{name}.{method.name}"] = parameters(method)
    return {name: of for name, of in found.items() if not name.startswith("_")}


def parameters(function: ast.FunctionDef) -> list[str]:
    return [argument.arg for argument in function.args.args]


def test_the_stub_describes_all_of_the_core() -> None:
    described = stub_signatures()
    for name in dir(core):
        value = getattr(core, name)
        if name.startswith("_"):
            continue
        if not isinstance(value, type):
            assert name in described
            continue
        own = {part for part in vars(value) if not part.startswith("_") or part == "__len__"}
        stubbed = {full.partition(".")[2] for full in described if full.partition(".")[0] == name} - {"__init__"}
        assert stubbed == own, name


def test_twins_take_the_parameters_of_the_stub() -> None:
    for name, expected in stub_signatures().items():
        owner, _, method = name.partition(".")
        if owner in ABOUT_THE_CORE:
            continue
        twin = getattr(Twins(), owner)
        if method and method != "target_sizes":
            twin = getattr(twin, method)
        if method != "target_sizes":  # an attribute of the twin, a property of the core
            assert list(inspect.signature(twin).parameters) == expected, name


# Compression. The values are compared with the libraries' in test_exactness.py; here, through every way of asking.


@many
@given(texts(2000), st.integers(-1, 11))
def test_sizes_of_texts(text: bytes, level: int) -> None:
    agree(lambda engine: engine.gzip_size(text, level))
    agree(lambda engine: engine.gzip_size(text, level=level))
    agree(lambda engine: engine.lz4_size(text))


PAIRS: dict[str, Callable[[Any, Texts], Any]] = {
    "gzip 1": lambda engine, targets: engine.GzipPairs(targets, 1),
    "gzip 6": lambda engine, targets: engine.GzipPairs(targets, level=6),
    "lz4": lambda engine, targets: engine.Lz4Pairs(targets),
}


@many
@given(
    pairs(600), st.lists(texts(300), max_size=4), st.sampled_from(list(PAIRS)), st.lists(st.integers(-1, 8), max_size=4)
)
def test_sizes_of_pairs(pair: tuple[bytes, list[bytes]], more: list[bytes], kind: str, columns: list[int]) -> None:
    source, targets = pair
    sources, chosen = Texts.join([source, *more]), np.array(columns, np.int32)

    def prepared(engine: Any) -> Any:
        return PAIRS[kind](engine, Texts.join(targets))

    agree(lambda engine: len(prepared(engine)))
    agree(lambda engine: prepared(engine).target_sizes)
    agree(lambda engine: prepared(engine).sizes(source))
    agree(lambda engine: prepared(engine).alignments(sources))
    agree(lambda engine: prepared(engine).alignments(sources[1:]))
    agree(lambda engine: prepared(engine).distances(sources, chosen))


@pytest.mark.parametrize("level", [0, 10, -1, 1 << 70])
def test_levels_out_of_range(level: int) -> None:
    words = f"level must lie in 1..9, not {level}"
    refused(lambda engine: engine.gzip_size(b"", level), ValueError, words)
    refused(lambda engine: engine.GzipPairs(Texts.of(["t"]), level), ValueError, words)
    refused(lambda engine: engine.GzipPairs(Texts.of([]), level), ValueError, words)


@pytest.mark.parametrize("kind", PAIRS)
def test_what_pairs_refuse(kind: str) -> None:
    def made(engine: Any, targets: Any = Texts.of(["t", "u"])) -> Any:  # noqa: B008
        return PAIRS[kind](engine, targets)

    refused(lambda engine: made(engine, Texts.of([])), ValueError, "targets must not be empty")
    refused(lambda engine: made(engine, [b"t"]), TypeError, "targets must be Texts, not list")
    refused(lambda engine: made(engine, None), TypeError, "targets must be Texts, not NoneType")
    refused(lambda engine: made(engine).sizes("x"), TypeError, "text must be bytes, not str")
    refused(lambda engine: made(engine).alignments(["x"]), TypeError, "texts must be Texts, not list")
    one = Texts.of(["x"])
    for column in (-1, 2):
        columns = np.array([0, column], np.int32)
        words = f"columns must lie in 0..1, not {column}"
        refused(lambda engine, columns=columns: made(engine).distances(one, columns), IndexError, words)
        refused(lambda engine, columns=columns: made(engine).distances(one[:0], columns), IndexError, words)
    words = "columns must be a contiguous array of int32 with 1 dimensions, not "
    for columns in ([0], np.array([0]), np.array([[0]], np.int32), np.arange(4, dtype=np.int32)[::2], np.array([0.0])):
        kind_of = type(columns).__name__
        refused(lambda engine, columns=columns: made(engine).distances(one, columns), TypeError, words + kind_of)
    refused(lambda engine: made(engine).distances([b"x"], None), TypeError, "texts must be Texts, not list")


def test_wrong_types_of_sizes() -> None:
    refused(lambda engine: engine.gzip_size("x", 0), TypeError, "text must be bytes, not str")
    refused(lambda engine: engine.lz4_size(bytearray()), TypeError, "text must be bytes, not bytearray")
    words = "object cannot be interpreted as an integer"
    refused(lambda engine: engine.gzip_size(b"", "6"), TypeError, f"'str' {words}")
    refused(lambda engine: engine.gzip_size(b"", 6.0), TypeError, f"'float' {words}")
    refused(lambda engine: engine.GzipPairs(Texts.of(["t"]), None), TypeError, f"'NoneType' {words}")
    assert agree(lambda engine: engine.gzip_size(b"abc", np.int8(6))) == (int, 23)


# The greedy cover.

grams = st.lists(st.sampled_from(["a", "b", "c", "d e", "..", "é", "水", " ", "_1"]), max_size=8).map("".join)
any_text = grams | st.text(max_size=30)


@many
@given(
    st.lists(any_text, max_size=4),
    st.lists(st.lists(any_text, max_size=5), max_size=3),
    st.sampled_from(["word", "byte"]),
    st.sampled_from([[1], [1, 2, 3], [2, 3], [1, 4], [4, 6, 8], [1, 9], [64]]),
    st.sampled_from(PHIS),
    st.sampled_from([0, 0.5, 1, 1.3, 4]),
    st.sampled_from([0, 200, 1 << 26]),
)
def test_cover(
    target: list[str], batches: list[list[str]], unit: str, orders: list[int], phi: str, exponent: float, held: int
) -> None:
    def case(engine: Any) -> Any:
        features = engine.CoverFeatures(Texts.of(target), unit, orders)
        greedy = engine.CoverGreedy(exponent, held=held)
        counts = features.counts()
        kept = []
        for batch in batches:
            matches = features.matches(Texts.of([*batch, *target[:1]]))
            kept.append(matches.kept())
            greedy.append(engine.CoverMatches(len(counts), kept[-1]) if len(kept) % 2 else matches)
        answers = [kept, counts, greedy.pool_bytes(), greedy.totals(len(counts)), greedy.take(2)]
        for weights in (counts / max(counts.sum(), 1), np.ones(len(counts))):
            greedy.start(weights, _table(phi))
            answers += [greedy.take(2), greedy.take(0), greedy.take(100), greedy.take(1)]
        return answers

    assert isinstance(agree(case), tuple)


@many
@given(
    st.integers(0, 70_000),
    st.lists(st.tuples(st.integers(0, 70_000), st.integers(0, 70_000)), max_size=4),
    st.integers(0, 2**64 - 1),
    st.integers(0, 4),
    st.binary(max_size=6),
    st.integers(0, 30),
)
def test_kept_matches_that_are_damaged(
    features: int, numbers: list[tuple[int, int]], size: int, once: int, inserted: bytes, place: int
) -> None:
    """Whatever the bytes, both engines take them up alike, or refuse them alike."""
    words = b"".join(
        struct.pack("<H", number) if number < 0xFFFF else struct.pack("<HI", 0xFFFF, number)
        for pair in numbers
        for number in pair
    )
    sound = struct.pack("<QI", size, once) + words
    for data in (sound, sound[:place] + inserted + sound[place:], sound[: -len(inserted) or None]):
        agree(lambda engine, data=data: engine.CoverMatches(features, [b"\0" * 12, data]).kept())


TARGET = Texts.of(["a b c"])


@pytest.mark.parametrize(
    ("target", "unit", "orders", "error", "words"),
    [
        (TARGET, "byte", [0], ValueError, "an order must lie in 1..64, not 0"),
        (TARGET, "byte", [1, -2], ValueError, "an order must lie in 1..64, not -2"),
        (TARGET, "byte", [2, 65], ValueError, "an order must lie in 1..64, not 65"),
        (TARGET, "byte", [2, 1], ValueError, "orders must ascend"),
        (TARGET, "word", [1, 1], ValueError, "orders must ascend"),
        (TARGET, "word", [], ValueError, "orders must not be empty"),
        (TARGET, "word", ["1"], TypeError, "'str' object cannot be interpreted as an integer"),
        (TARGET, "word", 3, TypeError, "'int' object is not iterable"),
        (TARGET, "syllable", [0], ValueError, "unit must be word or byte, not syllable"),
        (TARGET, "", [1], ValueError, "unit must be word or byte, not "),
        (TARGET, b"word", [1], TypeError, "unit must be a string, not bytes"),
        ([b"a b c"], "letter", [1], TypeError, "target must be Texts, not list"),
    ],
)
def test_what_features_refuse(target: Any, unit: Any, orders: Any, error: type[Exception], words: str) -> None:
    refused(lambda engine: engine.CoverFeatures(target, unit, orders), error, words)


@pytest.mark.parametrize("exponent", [-1, -1e-9, 4.5, math.nan, math.inf, -math.inf, 10**30])
def test_exponents_out_of_range(exponent: float) -> None:
    refused(
        lambda engine: engine.CoverGreedy(exponent), ValueError, f"cost_exponent must lie in 0..4, not {exponent!r}"
    )


def test_what_the_greedy_refuses() -> None:
    phi = _table("log")

    def filled(engine: Any) -> Any:
        greedy = engine.CoverGreedy(1.0)
        features = engine.CoverFeatures(TARGET, "byte", [1, 2])
        greedy.append(features.matches(Texts.of(["a b", "c"])))
        return greedy, features

    def again(engine: Any) -> None:
        greedy, features = filled(engine)
        batch = features.matches(TARGET)
        greedy.append(batch)
        engine.CoverGreedy(0.0).append(batch)

    def kept_too_late(engine: Any) -> None:
        batch = filled(engine)[1].matches(TARGET)
        engine.CoverGreedy(0.0).append(batch)
        batch.kept()

    refused(lambda engine: engine.CoverGreedy("1"), TypeError, "must be real number, not str")
    refused(lambda engine: engine.CoverGreedy(1.0).append([]), TypeError, "batch must be CoverMatches, not list")
    refused(again, ValueError, "a batch can be appended once")
    refused(kept_too_late, ValueError, "the batch was appended")
    refused(lambda engine: engine.CoverMatches(1, ["a"]), TypeError, "a document must be bytes, not str")
    refused(lambda engine: engine.CoverMatches(-1, []), ValueError, "features must lie in 0..4294967295, not -1")
    refused(lambda engine: engine.CoverMatches(1, [b""]), ValueError, "the matches of document 0 are damaged")
    words = "batch must be Texts, not list"
    refused(lambda engine: filled(engine)[1].matches([b"a"]), TypeError, words)
    refused(lambda engine: filled(engine)[0].totals(7), ValueError, "features must lie in 8..4294967295, not 7")
    refused(lambda engine: filled(engine)[0].take(-1), ValueError, f"most must lie in 0..{2**63 - 1}, not -1")
    refused(lambda engine: filled(engine)[0].start(np.ones(7), phi), ValueError, "weights must be one for each feature")
    refused(
        lambda engine: filled(engine)[0].start(np.ones(8), phi[1:]),
        ValueError,
        f"phi must have {len(phi)} entries, not {len(phi) - 1}",
    )
    words = "must be a contiguous array of float64 with 1 dimensions, not"
    refused(lambda engine: filled(engine)[0].start([1.0] * 8, phi), TypeError, f"weights {words} list")
    refused(lambda engine: filled(engine)[0].start(np.ones(8), phi.tolist()), TypeError, f"phi {words} list")
    refused(lambda engine: filled(engine)[0].start(np.ones(8, np.float32), phi), TypeError, f"weights {words} ndarray")
    agree(lambda engine: filled(engine)[0].totals(9))
    agree(lambda engine: filled(engine)[0].take(3))


# Hashed n-grams.


@many
@given(
    st.lists(any_text, max_size=5),
    st.integers(1, 5),
    st.sampled_from([1, 2, 63, 64, 65, 10_000, 65_536, 65_537]),
    st.integers(0, 3),
)
def test_hashed_ngrams(some: list[str], order: int, buckets: int, tables: int) -> None:
    weights = np.random.default_rng(0).normal(size=(tables, buckets))

    def case(engine: Any) -> Any:
        counter = engine.HashedNgrams(character_classes(), order, buckets)
        found, totals = counter.buckets(Texts.of(some))
        return found, totals, counter.count(found), counter.dot(found, totals, weights)

    assert len(agree(case)) == 4


@given(st.text("abc .-", max_size=30), st.lists(st.integers(0, 2), min_size=128, max_size=128))
def test_hashed_ngrams_of_other_classes(text: str, classes: list[int]) -> None:
    table = bytes(classes) + b"\0" * (0x110000 - 128)
    agree(lambda engine: engine.HashedNgrams(table, 2, 97).buckets(Texts.of([text])))


def test_what_hashed_ngrams_refuse() -> None:
    sound = character_classes()

    def refuses(classes: Any, order: Any, buckets: Any, error: type[Exception], words: str) -> None:
        refused(lambda engine: engine.HashedNgrams(classes, order, buckets), error, words)

    refuses(b"", 0, 0, ValueError, "the class table must have 0x110000 entries")
    refuses(b"\3" * 0x110000, 1, 10, ValueError, "a character class is 0, 1 or 2")
    refuses("", 1, 10, TypeError, "classes must be bytes, not str")
    refuses(sound, 0, 0, ValueError, f"order must lie in 1..{2**31 - 1}, not 0")
    refuses(sound, 1, 0, ValueError, f"buckets must lie in 1..{2**28}, not 0")
    refuses(sound, 1, 2**28 + 1, ValueError, f"buckets must lie in 1..{2**28}, not {2**28 + 1}")
    refuses(sound, 1, 1.0, TypeError, "'float' object cannot be interpreted as an integer")
    refused(lambda engine: engine.HashedNgrams(sound, 1, 7).buckets(["x"]), TypeError, "texts must be Texts, not list")
    one, total, weights = np.array([3], np.uint16), np.array([1]), np.ones((1, 7))

    def refuses_sums(buckets: Any, totals: Any, tables: Any, error: type[Exception], words: str) -> None:
        refused(lambda engine: engine.HashedNgrams(sound, 1, 7).dot(buckets, totals, tables), error, words)

    words = "must be a contiguous array of"
    for tables in (np.ones(7), np.ones((1, 7), np.float32), [[1.0] * 7], np.ones((7, 2)).T):
        wanted = f"tables {words} float64 with 2 dimensions, not {type(tables).__name__}"
        refuses_sums(one, total, tables, TypeError, wanted)
    refuses_sums("x", 1, 1, TypeError, f"buckets {words} uint16 with 1 dimensions, not str")
    refuses_sums(
        one.astype(np.uint32), total, weights, TypeError, f"buckets {words} uint16 with 1 dimensions, not ndarray"
    )
    refuses_sums(one, [1], weights, TypeError, f"totals {words} int64 with 1 dimensions, not list")
    refuses_sums(one, total, np.ones((1, 6)), ValueError, "a table needs one weight for each bucket")
    for uneven in ([], [2], [2, -1], [0]):
        words = "totals must be the n-grams of each text, and add up to the buckets"
        refuses_sums(one, np.array(uneven, np.int64), weights, ValueError, words)
    refuses_sums(one + np.uint16(4), total, weights, ValueError, "a bucket is out of range")
    refused(lambda engine: engine.HashedNgrams(sound, 1, 3).count(one), ValueError, "a bucket is out of range")
    words = "buckets must be a contiguous array of uint32 with 1 dimensions, not ndarray"
    refused(lambda engine: engine.HashedNgrams(sound, 1, 1 << 17).count(one), TypeError, words)
    agree(lambda engine: engine.HashedNgrams(sound, 1, 7).dot(one[:0], total[:0], weights))


# The n-gram model.


@many
@given(st.lists(any_text, max_size=4), st.lists(any_text, max_size=4), st.integers(-1, 34))
def test_bits(train: list[str], test: list[str], order: int) -> None:
    agree(lambda engine: engine.witten_bell_bits(Texts.of([*train, *test[1:]]), Texts.of(test), order))


def test_what_the_ngram_model_refuses() -> None:
    one = Texts.of(["x"])
    for order in (0, 33):
        words = f"order must lie in 1..32, not {order}"
        refused(lambda engine, order=order: engine.witten_bell_bits(one, one, order), ValueError, words)
    refused(lambda engine: engine.witten_bell_bits([b"x"], one, 0), TypeError, "train must be Texts, not list")
    refused(lambda engine: engine.witten_bell_bits(one, "x", 0), TypeError, "test must be Texts, not str")


def plain(engine: Any, data: bytes, fields: tuple[bytes, bytes] = (b"text", b"source")) -> Any:
    begin, end, _, _ = engine.json_lines(data)
    return engine.plain_records(data, begin, end, *fields)


@settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(json_line, max_size=5), st.sampled_from([b"\n", b"\r\n", b"\n\n", b"\r"]), st.booleans())
def test_lines_and_plain_records(lines: list[bytes], end: bytes, ended: bool) -> None:
    data = end.join(lines) + end * ended
    agree(lambda engine: engine.json_lines(data))
    for fields in ((b"text", b"source"), (b"a", b"a"), ("🎲".encode(), b"text"), (b"", b"")):
        assert isinstance(agree(lambda engine, fields=fields: plain(engine, data, fields)), tuple)


@many
@given(st.text(), st.integers(0, 40), st.booleans())
def test_a_string_wherever_it_lies(text: str, before: int, ascii_only: bool) -> None:
    record = json.dumps({"a": "x" * before, "text": text, "source": text[::-1]}, ensure_ascii=ascii_only)
    data = record.encode("utf-8", "surrogatepass")
    _, _, numbers, _ = agree(lambda engine: plain(engine, data))
    assert bool(text) == (np.frombuffer(numbers[2], np.int32)[0] == 0) or "\\ud" in json.dumps(text)


@many
@given(st.lists(st.binary(max_size=700) | st.integers(0, 3000).map(bytes), max_size=30), st.integers(0, 3))
def test_digests_of_texts(encoded: list[bytes], way: int) -> None:
    agree(lambda engine: engine.text_digests(Texts.join(encoded), way))


def test_what_reading_refuses() -> None:
    data, none = b'{"text": "a"}', np.zeros(0, np.int64)
    words = "records must lie one after another within their data"
    for begin, end in (([0], [14]), ([-1], [3]), ([3], [2]), ([0, 2], [3, 5]), ([0], []), ([], [1]), ([0, 5], [3, 4])):
        spans = np.array(begin, np.int64), np.array(end, np.int64)
        refused(lambda engine, spans=spans: engine.plain_records(data, *spans, b"a", b"b"), ValueError, words)
    refused(lambda engine: engine.plain_records("", none, none, b"a", b"b"), TypeError, "data must be bytes, not str")
    words = "text_field must be bytes, not str"
    refused(lambda engine: engine.plain_records(b"", none, none, "a", b"b"), TypeError, words)
    words = "label_field must be bytes, not NoneType"
    refused(lambda engine: engine.plain_records(b"", none, none, b"a", None), TypeError, words)
    words = "end must be a contiguous array of int64 with 1 dimensions, not list"
    refused(lambda engine: engine.plain_records(b"", none, [], b"a", b"b"), TypeError, words)
    refused(lambda engine: engine.json_lines(None), TypeError, "data must be bytes, not NoneType")
    refused(lambda engine: engine.text_digests([b"a"]), TypeError, "texts must be Texts, not list")
    refused(lambda engine: engine.text_digests(Texts.of([]), 4), ValueError, "way must lie in 0..3, not 4")
