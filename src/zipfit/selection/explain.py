"""Why a document scores as it does: its nearest target examples, and what it shares with them."""

from __future__ import annotations

import heapq
import os
import reprlib
from contextlib import suppress
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from zipfit.corpus.convert import converted
from zipfit.corpus.corpus import Corpus
from zipfit.corpus.inputs import Files
from zipfit.corpus.outputs import manifest_path
from zipfit.corpus.write import RANK_FIELD, SCORE_FIELD
from zipfit.errors import BadRecordError, ZipfitError, need
from zipfit.methods.registry import METHODS, build_method
from zipfit.methods.zipfit import ZipFit
from zipfit.selection.manifest import files_of, read_manifest, readings_of
from zipfit.system.plain_types import check_arguments
from zipfit.system.texts import Texts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zipfit.corpus.reading import Reading
    from zipfit.selection.selection import Selection

_NEAREST = 5
_SUBSTRINGS = 5
_CHARACTERS = 1200
"""Of a text, in a notebook."""

# A DEFLATE match has at least 3 bytes, but what short ones share is the language, not the matter.
_SHORTEST = 6


@dataclass(frozen=True)
class Neighbour:
    """A target example near a document.

    Attributes:
        index: 0-based place among the target examples.
        distance: NCD(document, example).
        text: the example.
        shared: the longest substrings, at most five, that the document and the example have in common.
    """

    index: int
    distance: float
    text: str
    shared: list[str]


@dataclass(frozen=True)
class Explanation:
    """A document and why it aligns.

    Attributes:
        text: the document.
        alignment: its compression alignment with the target.
        compressor: what the alignment was computed with.
        fields: `zipfit_score` and `zipfit_rank`, where the record has them.
        neighbours: the five nearest target examples, nearest first.
    """

    text: str
    alignment: float
    compressor: str
    fields: dict[str, Any]
    neighbours: list[Neighbour]

    def _repr_html_(self) -> str:
        """The document and its neighbours, for notebooks."""
        said = "".join(f", {name} {value}" for name, value in self.fields.items())
        rows = "".join(
            f"<tr><td>{each.index}</td><td>{each.distance:.4f}</td><td>{escape(each.text[:_CHARACTERS])}</td><td>"
            + "<br>".join(f"<code>{escape(shared[:_CHARACTERS])}</code>" for shared in each.shared)
            + "</td></tr>"
            for each in self.neighbours
        )
        head = "<tr><th>target example</th><th>NCD</th><th>text</th><th>shared</th></tr>"
        return (
            f"<p>alignment {self.alignment:.4f} ({escape(self.compressor + said)})</p>"
            f"<pre>{escape(self.text[:_CHARACTERS])}</pre><table>{head}{rows}</table>"
        )


def explain(
    selected: str | os.PathLike[str] | Selection, *, rank: int | None = None, position: int | None = None
) -> Explanation:
    """Explain a document of a saved selection, or of the pool that it was selected from.

    A selection by another method than ZIP-FIT is explained by gzip alignment all the same. For a converted selection,
    the record that was converted is looked for in the source.

    Args:
        selected: the selection's path, beside which its manifest lies; or a selection as Python holds it.
        rank: the document's rank in the selection, from 1.
        position: the document's position in the source, from 0. Either this or the rank is given.

    Raises:
        ZipfitError: the manifest, the selection or an input cannot be read, or has no such document.
    """
    if (rank is None) == (position is None):
        raise ZipfitError("give either a rank or a position")
    check_arguments(explain, {"rank": rank, "position": position})
    if not isinstance(selected, (str, os.PathLike)):
        need(hasattr(selected, "explain"), f"explain takes a selection or its path, not {reprlib.repr(selected)}")
        return selected.explain(rank, position=position)
    selected = os.fspath(selected)
    manifest = read_manifest(manifest_path(selected))
    reading, target_reading = readings_of(manifest)
    if rank is not None:
        record = _ranked_record(selected, rank, manifest)
    else:
        record = _record_at(files_of(manifest, "source"), reading, position or 0)
    target_texts = _texts(files_of(manifest, "target"), target_reading)
    chosen_by = manifest["method"]
    options = (chosen_by["class"] == METHODS["zipfit"] and chosen_by["options"]) or {}
    method = build_method("zipfit", {name: value for name, value in options.items() if name != "reduce"})
    assert isinstance(method, ZipFit)
    fields = {name: record[name] for name in (SCORE_FIELD, RANK_FIELD) if name in record}
    if rank is not None and (form := manifest["output"].get("convert")) is not None:
        record = _source_of(record, files_of(manifest, "source"), reading, form)
    try:
        text = reading.text(record)
    except BadRecordError as error:  # only a selection can hold one: of the source, it is an error before
        raise ZipfitError(f"{selected}: the record of rank {rank}: {error}") from error
    return explain_text(text, target_texts, method, fields)


def explain_text(text: str, target: list[str], method: ZipFit, fields: dict[str, Any] | None = None) -> Explanation:
    """Explain the alignment of one text with the target examples.

    Raises:
        ZipfitError: as `ZipFit.fit`.
    """
    document = Texts.of([text])
    method.fit(target)
    distances = method.pairs.distances(document, np.arange(len(target), dtype=np.int32))[1][0]
    nearest = np.argsort(distances, kind="stable")[:_NEAREST].tolist()
    neighbours = [Neighbour(j, float(distances[j]), target[j], shared_substrings(text, target[j])) for j in nearest]
    return Explanation(text, float(method.score(document)[0]), method.engine, fields or {}, neighbours)


def _texts(files: Files, reading: Reading) -> list[str]:
    on_rejected = (lambda _: None) if reading.skip_bad else None
    corpus = Corpus(files.open()[0], reading, allow_empty=False, on_rejected=on_rejected)
    return [text for batch in corpus.read() for text in batch.texts]


def _ranked_record(selected: str, rank: int, manifest: dict[str, Any]) -> dict[str, Any]:
    count = manifest["selection"]["documents"]
    if not 1 <= rank <= count:
        raise ZipfitError(f"{selected}: has ranks 1 to {count}, not {rank}")
    output = manifest["output"]
    if output is None:
        raise ZipfitError(f"{selected}: its manifest names no output")
    for place, record in enumerate(_records(selected), 1):
        at_rank = str(record.get(RANK_FIELD)) == str(rank) if output["add_fields"] else place == rank
        if at_rank and (output["add_fields"] or output["order"] == "rank"):
            return record
    raise ZipfitError(f"{selected}: does not tell the rank of its records: give a position in the source instead")


def _record_at(files: Files, reading: Reading, position: int) -> dict[str, Any]:
    corpus = Corpus(files.open()[0], reading, on_rejected=(lambda _: None) if reading.skip_bad else None)
    documents = sum(len(batch.texts) for batch in corpus.read())
    if not documents:
        raise ZipfitError("the source holds no document")
    return next(corpus.dicts(np.array([index_of(corpus, documents, position)])))


def index_of(corpus: Corpus, documents: int, position: int) -> int:
    """Which document of a corpus that was read, from 0, is at a position of its source.

    Raises:
        ZipfitError: there is none.
    """
    positions = corpus.source_positions(np.arange(documents))
    found = np.flatnonzero(positions == position)
    if not len(found):
        passed_over = "" if len(positions) == positions[-1] + 1 else " less those passed over"
        raise ZipfitError(f"the source has positions 0 to {positions[-1]}{passed_over}, not {position}")
    return int(found[0])


def _source_of(record: dict[str, Any], files: Files, reading: Reading, form: str) -> dict[str, Any]:
    """The first record of the source that is this one when it is converted."""
    added = (SCORE_FIELD, RANK_FIELD)
    wanted = {name: value for name, value in record.items() if value is not None and name not in added}
    for item in files.open()[0]:
        for chunk in item.chunks():
            for index in range(len(chunk)):
                with suppress(BadRecordError):  # one that was passed over
                    if converted(found := chunk.record(index), reading, form) == wanted:
                        return found
    raise ZipfitError("the source has no record that this one was converted from: it changed since")


def _records(path: str) -> Iterator[dict[str, Any]]:
    for item in Files([path]).open()[0]:
        for chunk in item.chunks():
            for index in range(len(chunk)):
                try:
                    yield chunk.record(index)
                except BadRecordError as error:
                    raise ZipfitError(f"{path}, {chunk.place(index)}: {error}") from error


def shared_substrings(document: str, example: str, limit: int = _SUBSTRINGS) -> list[str]:
    """Return the longest substrings that two texts share, longest first, none part of another.

    Works in time linear in both texts, with a suffix automaton of the example (Blumer et al. 1985).

    Example:
        >>> shared_substrings("def sub(a, b): return a - b", "def add(a, b): return a + b")
        ['(a, b): return a']
    """
    longest: dict[str, None] = {}
    for start, end in _maximal_matches(document, example):
        longest[document[start:end].strip()] = None
    chosen: list[str] = []
    for text in heapq.nsmallest(20 * limit, longest, key=lambda text: -len(text)):
        if len(text) >= _SHORTEST and not any(text in other for other in chosen):
            chosen.append(text)
    return chosen[:limit]


def _maximal_matches(document: str, example: str) -> Iterator[tuple[int, int]]:
    """Spans of the document that occur in the example and cannot be extended to the right."""
    follow, link, length = _suffix_automaton(example)
    state = matched = 0
    for end, char in enumerate(document):
        if char not in follow[state]:
            if matched >= _SHORTEST:
                yield end - matched, end
            while state and char not in follow[state]:
                state = link[state]
                matched = length[state]
            if char not in follow[state]:
                matched = 0
                continue
        state = follow[state][char]
        matched += 1
    if matched >= _SHORTEST:
        yield len(document) - matched, len(document)


def _suffix_automaton(text: str) -> tuple[list[dict[str, int]], list[int], list[int]]:
    """Transitions, suffix links and longest lengths of the states of a suffix automaton; state 0 is the start."""
    follow: list[dict[str, int]] = [{}]
    link, length = [-1], [0]
    last = 0
    for char in text:
        state = len(follow)
        follow.append({})
        length.append(length[last] + 1)
        link.append(0)
        previous = last
        while previous >= 0 and char not in follow[previous]:
            follow[previous][char] = state
            previous = link[previous]
        if previous >= 0:
            following = follow[previous][char]
            if length[following] == length[previous] + 1:
                link[state] = following
            else:
                clone = len(follow)
                follow.append(dict(follow[following]))
                length.append(length[previous] + 1)
                link.append(link[following])
                while previous >= 0 and follow[previous].get(char) == following:
                    follow[previous][char] = clone
                    previous = link[previous]
                link[following] = link[state] = clone
        last = state
    return follow, link, length
