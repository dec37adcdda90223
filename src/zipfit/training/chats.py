"""Chats in a model's own chat template, and which of their tokens the loss is on.

The template says what a chat's text is, from its first token to its last: nothing is put before it, between turns or
after it. The loss is on all of its tokens, or on those of the assistant alone. Where the template marks these, by
`{% generation %}`, its marks hold. Elsewhere a turn of the assistant's begins where the template, given the turns
before it, asks for an answer, and ends where it ends given this turn as well; both must be how the whole chat begins,
letter by letter. A token that is partly within belongs to it, as in Transformers.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zipfit.corpus.corpus import Corpus
from zipfit.corpus.inputs import open_documents
from zipfit.corpus.reading import Reading
from zipfit.errors import ZipfitError, need, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from zipfit.corpus.inputs import Documents

CHAT_LOSSES = ("all", "assistant")
"""What the loss of chats in a template may be on: all tokens, or the assistant's."""

_MARKED = re.compile(r"\{%-?\s*generation\s*-?%\}")


@dataclass(frozen=True)
class Chat:
    """A chat as its model's template writes it.

    Attributes:
        text: as zipfit compares it, without the template.
        tokens: shape (n,).
        scored: whether the loss is on each of them, shape (n,).
    """

    text: str
    tokens: NDArray[np.int32]
    scored: NDArray[np.bool_]


def check_chat_template(loss: str | None, template: str | None) -> None:
    """Check what a user asks of chat templates.

    Args:
        loss: one of `CHAT_LOSSES`; None for plain text.
        template: of the records, which makes text of them.

    Raises:
        ZipfitError: the loss is neither, or there is a template for records as well.
    """
    need(loss is None or loss in CHAT_LOSSES, f"chat_template must be one of {', '.join(CHAT_LOSSES)}, not {loss!r}")
    both = loss is not None and template is not None
    need(not both, "a template makes plain text of records, and a chat template needs their turns: give one")


def need_chat_template(tokenizer: Any) -> None:
    """Raise a ZipfitError if a model, by its tokenizer, has no chat template."""
    said = "the model has no chat template, so chats are plain text to it: leave chat_template out"
    need(bool(tokenizer.chat_template), said)


def read_chats(
    role: str,
    documents: Documents,
    text_field: str | None,
    tokenizer: Any,
    loss: str,
    part: Callable[[int], Sequence[int]] = range,
) -> list[Chat]:
    """Read documents that are chats or pairs, as a tokenizer's chat template writes them.

    Args:
        role: what messages call them.
        documents: as `source` of `zipfit.select`.
        text_field: likewise.
        tokenizer: of Transformers.
        loss: one of `CHAT_LOSSES`.
        part: told the number of documents, the positions to write of them, ascending; all if left out.

    Raises:
        ZipfitError: the model has no chat template; a record holds no turns, or they cannot be read (the message names
            file and line); or the template refuses a chat, or does not show which tokens are the assistant's (the
            message has the document's number, from 1).
    """
    need_chat_template(tokenizer)
    inputs, _ = open_documents(role, documents)
    corpus = Corpus(inputs, Reading(text_field, convert="messages"))
    texts = [text for batch in corpus.read() for text in batch.texts]
    positions = part(len(texts))
    batches = corpus.converted(np.array(positions, np.int64), "messages", to_table=False)
    records = (record for batch in batches for record in batch)
    return [
        _chat(f"{role}, document {position + 1}", texts[position], record, tokenizer, loss)
        for position, record in zip(positions, records, strict=True)
    ]


def texts_of(documents: Iterable[str | Chat]) -> list[str]:
    """The texts of documents, as zipfit compares them."""
    return [document.text if isinstance(document, Chat) else document for document in documents]


def _chat(place: str, text: str, record: dict[str, Any], tokenizer: Any, loss: str) -> Chat:
    messages, tools = record["messages"], json.loads(record["tools"]) if "tools" in record else None
    try:
        tokens, scored = _written(messages, tools, tokenizer, loss)
    except ZipfitError as error:
        raise ZipfitError(f"{place}: {error}") from error
    except Exception as error:  # a template may raise anything
        raise ZipfitError(f"{place}: the chat template refuses it ({one_line(error).rstrip('.')})") from error
    return Chat(text, np.array(tokens, np.int32), scored)


def _written(
    messages: list[dict[str, Any]], tools: list[dict[str, Any]] | None, tokenizer: Any, loss: str
) -> tuple[list[int], NDArray[np.bool_]]:
    """The tokens of a chat, and whether the loss is on each."""
    if loss == "assistant" and _MARKED.search(tokenizer.get_chat_template(tools=tools)):
        encoded = tokenizer.apply_chat_template(
            messages, tools=tools, return_dict=True, return_assistant_tokens_mask=True
        )
        return encoded["input_ids"], np.array(encoded["assistant_masks"], bool)

    def write(turns: int, ask: bool = False) -> str:
        written: str = tokenizer.apply_chat_template(
            messages[:turns], tools=tools, tokenize=False, add_generation_prompt=ask
        )
        return written

    whole = write(len(messages))
    encoded = tokenizer(whole, add_special_tokens=False, return_offsets_mapping=loss == "assistant", verbose=False)
    scored = np.full(len(encoded["input_ids"]), loss == "all")
    for turn, message in enumerate(messages):
        if loss == "assistant" and message["role"] == "assistant":
            answered = write(turn + 1)
            asked = write(turn, ask=True) if turn else _asked_first(answered, write(1, ask=True))
            if not whole.startswith(answered) or not answered.startswith(asked):
                raise ZipfitError(
                    f"the chat template writes turn {turn + 1} or those before it otherwise when the chat goes on, so "
                    "the assistant's tokens cannot be told: use all, or a template with {% generation %}"
                )
            start, end = np.array(encoded["offset_mapping"]).reshape(-1, 2).T
            scored |= (start < len(answered)) & (end > len(asked))
    return encoded["input_ids"], scored


def _asked_first(answered: str, asked_again: str) -> str:
    """What stands before a chat's first turn, if that is the assistant's: Transformers writes no empty chat.

    It ends in what the template asks for an answer with, as it does after this turn.
    """
    asking = asked_again.removeprefix(answered)
    before, found, _ = answered.partition(asking) if asking else ("", "", "")
    return before + found
