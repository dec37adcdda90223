"""`zipfit.evaluate`: what a test set costs a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from zipfit.corpus.corpus import read_documents
from zipfit.corpus.reading import Reading
from zipfit.training.chats import check_chat_template, read_chats
from zipfit.training.evaluation import cross_entropy
from zipfit.training.models import ModelSource, load_model

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from typing_extensions import Unpack

    from zipfit.corpus.inputs import Documents
    from zipfit.training.chats import Chat
    from zipfit.training.evaluation import Evaluation
    from zipfit.training.models import LanguageModel


class ModelOptions(TypedDict, total=False):
    """Keywords of `evaluate` that say how the model is loaded; it says what they mean."""

    revision: str | None
    trust_remote_code: bool


def evaluate(
    model: str | LanguageModel,
    test: Documents,
    *,
    test_tokens: int = 1024,
    text_field: str | None = None,
    template: str | None = None,
    chat_template: str | None = None,
    on_documents: Callable[[int], None] | None = None,
    **options: Unpack[ModelOptions],
) -> Evaluation:
    """Measure the cross-entropy of documents under a model, each document on its own.

    Args:
        model: a name on the hub, a folder, a `.gguf` file, or `smollm2`; or what `zipfit.training.models.load_model`
            returned.
        test: the documents, as `source` of `zipfit.select`.
        test_tokens: longest prefix of a document to score, in tokens.
        text_field: as in `zipfit.select`.
        template: likewise.
        chat_template: write chats and pairs in the model's own chat template, and score `all` tokens or those of the
            `assistant` alone; None for plain text.
        on_documents: told the number of documents done after each batch.
        **options: of the model.
            revision: on the hub.
            trust_remote_code: run the Python code that comes with it.

    Returns:
        What each document costs, computed in float32.

    Raises:
        MissingExtraError: torch or transformers is not installed.
        TypeError: an option is none of these.
        ZipfitError: the model cannot be loaded, a document cannot be read or written as a chat, or there is no text.
    """
    check_chat_template(chat_template, template)
    documents: Sequence[str | Chat]
    if chat_template is None:
        documents = [text for text, _ in read_documents("test set", test, Reading(text_field, template))]
    if isinstance(model, str):
        model = load_model(ModelSource(model, **options))
    if chat_template is not None:
        documents = read_chats("test set", test, text_field, model.tokenizer, chat_template)
    return cross_entropy(model, documents, test_tokens, on_documents)
