"""A study's data: its source as a job reads it, its target and test set as texts, and what identifies each."""

from __future__ import annotations

import hashlib
import itertools
import json
import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from zipfit.corpus.corpus import read_documents
from zipfit.corpus.inputs import Files, open_documents
from zipfit.corpus.reading import Reading
from zipfit.errors import ZipfitError
from zipfit.selection.sources import open_sources

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zipfit.selection.sources import Sources
    from zipfit.study.schema import Data, Study


def open_study(study: Study, target: Sequence[str]) -> Sources:
    """The study's pool, with its target's texts. A single part is read from its files; a mixture is held in memory.

    Raises:
        ZipfitError: as `open_sources`, or a mixture cannot be read.
    """
    first = study.source[0]
    if len(study.source) == 1 and first == replace(first, label=None, rows=(None, None), sample=None):
        return open_sources(_files(study, first), target, Reading(first.text_field, first.template, first.by))
    records = [{"text": text, "source": label} for part in study.source for text, label in read_part(study, part)]
    return open_sources(records, target, Reading("text", by="source"))


def read_texts(study: Study, parts: Sequence[Data], role: str) -> list[str]:
    """The texts of a target or test set.

    Raises:
        ZipfitError: there are none.
    """
    texts = [text for part in parts for text, _ in read_part(study, part)]
    if not texts:
        raise ZipfitError(f"the study's {role} is empty: it holds no document")
    return texts


def identify(study: Study, parts: Sequence[Data]) -> str:
    """A digest of how the documents are read and, of local files, of their content; 16 hex digits."""
    described = []
    for part in parts:
        inputs, _ = open_documents("study", _files(study, part))
        for item in inputs:
            for _ in item.chunks():
                pass  # its content is known at its end
        files = [{key: value for key, value in item.identity().items() if key != "bytes"} for item in inputs]
        described.append(part.to_json() | {"files": files})
    return digest(described)


def digest(value: Any) -> str:
    """A digest of a JSON value; 16 hex digits."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def read_part(study: Study, part: Data) -> Iterator[tuple[str, str]]:
    """Text and label of each document of one part."""
    read = read_documents("study", _files(study, part), Reading(part.text_field, part.template, part.by))
    documents: Iterator[tuple[str, str]] = ((text, part.label or label) for text, label in read)
    documents = itertools.islice(documents, *part.rows)
    if part.sample is None:
        return documents
    everything = list(documents)
    if part.sample > len(everything):
        raise ZipfitError(f"a sample of {part.sample} was asked for out of {len(everything)} documents")
    places = sorted(random.Random(0).sample(range(len(everything)), part.sample))
    return iter([everything[place] for place in places])


def _files(study: Study, part: Data) -> Files:
    names = [study.path(name) for name in part.files]
    return Files(names, part.format, part.sample_by, part.encoding, part.delimiter, part.header)
