"""Steps of a datatrove pipeline: one that scores documents, and one that keeps those that were selected.

They stand between any reader and writer of datatrove, in any executor; each task fits the method anew, or reads the
selection. Needs datatrove (0.10, the extra `datatrove`).
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from zipfit.corpus.corpus import read_documents
from zipfit.corpus.reading import Reading
from zipfit.corpus.write import SCORE_FIELD
from zipfit.errors import need, needing
from zipfit.methods.base import calling, is_scorer, scores_of
from zipfit.methods.registry import build_method, class_path
from zipfit.system.texts import Texts

with needing("steps of datatrove", "datatrove"):
    from datatrove.pipeline.base import PipelineStep

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from datatrove.data import Document, DocumentsPipeline

    from zipfit.corpus.inputs import Documents

_BATCH = 512


class ScoreStep(PipelineStep):  # type: ignore[misc]  # datatrove has no types
    """Adds each document's score to its metadata.

    Args:
        target: the task's examples, as in `zipfit.select`.
        method: a name; one that scores each document on its own, without the pool.
        options: of the method.
        key: the metadata's name of the score.

    Raises:
        ZipfitError: when it runs, as `zipfit.select`, or for a method that scores no document on its own.
    """

    name = "zipfit score"
    type = "🔢 - SCORE"

    def __init__(
        self,
        target: Documents,
        method: str = "zipfit",
        options: Mapping[str, Any] | None = None,
        key: str = SCORE_FIELD,
    ) -> None:
        super().__init__()
        self.target = target
        self.method = method
        self.options = dict(options or {})
        self.key = key

    def run(self, data: DocumentsPipeline, rank: int = 0, world_size: int = 1) -> Iterator[Document]:  # noqa: ARG002
        """Pass the documents of a task on, in their order."""
        built = build_method(self.method, self.options)
        need(is_scorer(built), f"{class_path(built)} ranks a pool, so it cannot score documents as they pass")
        examples = [text for text, _ in read_documents("target", self.target, Reading())]
        with calling(built, "fit"):
            built.fit(examples)
        documents = iter(data)
        while batch := list(islice(documents, _BATCH)):
            with self.track_time("batch"):
                scores = scores_of(built, Texts.of([document.text for document in batch]))  # type: ignore[arg-type]
            for document, score in zip(batch, scores.tolist(), strict=True):
                document.metadata[self.key] = score
                self.stat_update("scored")
                yield document


class SelectedFilter(PipelineStep):  # type: ignore[misc]
    """Passes on the documents whose texts are in a selection; a text that is there once keeps all that have it.

    Args:
        selection: the file or folder that `zipfit select` wrote.
        text_field: the records' field that holds the text of datatrove's documents; None for the usual shapes.

    Raises:
        ZipfitError: when it runs: the selection cannot be read, or holds no document.
    """

    name = "zipfit selected"
    type = "🔻 - FILTER"

    def __init__(self, selection: str, text_field: str | None = None) -> None:
        super().__init__()
        self.selection = selection
        self.text_field = text_field

    def run(self, data: DocumentsPipeline, rank: int = 0, world_size: int = 1) -> Iterator[Document]:  # noqa: ARG002
        """Pass the selected documents of a task on, in their order."""
        found = read_documents("selection", self.selection, Reading(self.text_field))
        selected = frozenset(text for text, _ in found)
        need(bool(selected), f"{self.selection}: holds no document")
        for document in data:
            is_selected = document.text in selected
            self.stat_update("forwarded" if is_selected else "dropped")
            if is_selected:
                yield document
