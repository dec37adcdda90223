"""A study's data: its source as a job reads it, its target and test set as texts, and what identifies each."""

from __future__ import annotations

import hashlib
import itertools
import json
import random
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from zipfit.corpus.corpus import read_documents
from zipfit.corpus.inputs import Files, open_documents
from zipfit.corpus.reading import Reading
from zipfit.errors import ZipfitError, need
from zipfit.selection.sources import open_sources
from zipfit.training.chats import read_chats

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zipfit.selection.sources import Sources
    from zipfit.study.schema import Data, Study
    from zipfit.training.chats import Chat


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
    _need_documents(texts, role)
    return texts


def write_chats(study: Study, parts: Sequence[Data], role: str, tokenizer: Any) -> list[Chat]:
    """The documents of a source, target or test set as a model's chat template writes them, by position.

    Raises:
        ZipfitError: as `zipfit.training.chats.read_chats`, there are none, or the loss is on nothing of them.
    """
    assert study.chat_template is not None
    chats = [
        chat
        for part in parts
        for chat in read_chats(
            role, _files(study, part), part.text_field, tokenizer, study.chat_template, partial(_positions, part)
        )
    ]
    _need_documents(chats, role)
    if not any(chat.scored.any() for chat in chats):
        raise ZipfitError(
            f"the study's {role}: as the model's chat template writes it, it holds nothing that the loss is on "
            f"(chat_template: {study.chat_template})"
        )
    return chats


def _need_documents(documents: Sequence[object], role: str) -> None:
    need(len(documents) > 0, f"the study's {role} is empty: it holds no document")


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
    """Text and label of each document of one part; of chats for a model's template, each must hold turns."""
    convert = None if study.chat_template is None else "messages"
    reading = Reading(part.text_field, part.template, part.by, convert=convert)
    read = read_documents("study", _files(study, part), reading)
    documents: Iterator[tuple[str, str]] = ((text, part.label or label) for text, label in read)
    if part.sample is None:
        return itertools.islice(documents, *part.rows)
    everything = list(documents)
    return iter([everything[position] for position in _positions(part, len(everything))])


def _positions(part: Data, documents: int) -> Sequence[int]:
    """Where the documents of a part lie among so many that its files hold."""
    within = range(documents)[slice(*part.rows)]
    if part.sample is None:
        return within
    if part.sample > len(within):
        raise ZipfitError(f"a sample of {part.sample} was asked for out of {len(within)} documents")
    return sorted(random.Random(0).sample(within, part.sample))


def _files(study: Study, part: Data) -> Files:
    names = [study.path(name) for name in part.files]
    return Files(names, part.format, part.sample_by, part.encoding, part.delimiter, part.header)
