"""`zipfit.evaluate`: what a test set costs a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zipfit.corpus.corpus import read_documents
from zipfit.corpus.reading import Reading
from zipfit.training.evaluation import cross_entropy
from zipfit.training.models import ModelSource, load_model

if TYPE_CHECKING:
    from collections.abc import Callable

    from zipfit.corpus.inputs import Documents
    from zipfit.training.evaluation import Evaluation
    from zipfit.training.models import LanguageModel


def evaluate(
    model: str | LanguageModel,
    test: Documents,
    *,
    test_tokens: int = 1024,
    text_field: str | None = None,
    template: str | None = None,
    revision: str | None = None,
    trust_remote_code: bool = False,
    on_documents: Callable[[int], None] | None = None,
) -> Evaluation:
    """Measure the cross-entropy of documents under a model, each document on its own.

    Args:
        model: a name on the hub, a folder, a `.gguf` file, or `smollm2`; or what `zipfit.training.models.load_model`
            returned.
        test: the documents, as `source` of `zipfit.select`.
        test_tokens: longest prefix of a document to score, in tokens.
        text_field: as in `zipfit.select`.
        template: likewise.
        revision: of the model on the hub.
        trust_remote_code: run the Python code that comes with the model.
        on_documents: told the number of documents done after each batch.

    Returns:
        What each document costs, computed in float32.

    Raises:
        MissingExtraError: torch or transformers is not installed.
        ZipfitError: the model cannot be loaded, a document cannot be read, or there is no text.
    """
    texts = [text for text, _ in read_documents("test set", test, Reading(text_field, template))]
    if isinstance(model, str):
        model = load_model(ModelSource(model, revision, trust_remote_code))
    return cross_entropy(model, texts, test_tokens, on_documents)
