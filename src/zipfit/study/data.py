"""A study's data: its source as a job reads it, its target and test set as texts, and what identifies each."""

from __future__ import annotations

import hashlib
import itertools
import json
import random
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from zipfit.corpus.corpus import read_documents
from zipfit.corpus.inputs import Files, open_documents
from zipfit.corpus.text import TextOf
from zipfit.errors import ZipfitError
from zipfit.selection.sources import task_parameters

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zipfit.corpus.inputs import Documents
    from zipfit.study.schema import Data, Study


@dataclass(frozen=True)
class Source:
    """The pool of a study, to be read by any number of jobs.

    Attributes:
        documents: as `zipfit.selection.sources.Task` takes them.
        parameters: of the task: how they are read.
    """

    documents: Documents
    parameters: dict[str, Any]


def open_source(study: Study) -> Source:
    """The study's pool. A single part is read from its files by every pass; a mixture is held in memory."""
    first = study.source[0]
    if len(study.source) == 1 and first == replace(first, label=None, rows=(None, None), sample=None):
        parameters = task_parameters(text_field=first.text_field, template=first.template, by=first.by)
        return Source(_files(study, first), parameters)
    records = [{"text": text, "source": label} for part in study.source for text, label in read_part(study, part)]
    return Source(records, task_parameters(text_field="text", by="source"))


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
        files = [
            {key: value for key, value in item.identity().items() if key != "bytes"} for item in _drained(study, part)
        ]
        described.append(asdict(part) | {"files": files})
    return digest(described)


def digest(value: Any) -> str:
    """A digest of a JSON value; 16 hex digits."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def read_part(study: Study, part: Data) -> Iterator[tuple[str, str]]:
    """Text and label of each document of one part."""
    read = read_documents("study", _files(study, part), TextOf(part.text_field, part.template), part.by)
    documents: Iterator[tuple[str, str]] = ((text, part.label or label) for text, label in read)
    documents = itertools.islice(documents, *part.rows)
    if part.sample is None:
        return documents
    everything = list(documents)
    if part.sample > len(everything):
        raise ZipfitError(f"a sample of {part.sample} was asked for out of {len(everything)} documents")
    places = sorted(random.Random(0).sample(range(len(everything)), part.sample))
    return iter([everything[place] for place in places])


def _drained(study: Study, part: Data) -> list[Any]:
    """The inputs of one part, read to their ends, as only then their content is known."""
    inputs, _ = open_documents("study", _files(study, part))
    for item in inputs:
        for _ in item.chunks():
            pass
    return inputs


def _files(study: Study, part: Data) -> Files:
    return Files([study.path(name) for name in part.files], part.format, part.sample_by)
