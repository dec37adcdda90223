"""How well a model predicts documents: cross-entropy a token, and bits a byte.

Each document is scored on its own: its tokens are predicted from those before it in the same document, the first one
from the begin-of-text token or, where the tokenizer has none, from the end-of-text token that parts documents in
training. So every byte of a document is paid for, and bits a byte compare between tokenizers. All is computed in
float32, in whatever a model is trained, so that a model costs the same before it is saved and after.

Of a chat in a model's template, the tokens count that the loss is on, and the bytes of what these say, less special
tokens, whose letters nobody said: its bits a byte compare between models with one template alone.
"""

from __future__ import annotations

import math
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zipfit.errors import need
from zipfit.system.networks import linear_by_onednn
from zipfit.training.blocks import encode
from zipfit.training.chats import Chat
from zipfit.training.precision import in_float32

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from zipfit.training.models import LanguageModel

_BATCH_TOKENS = 2048


@dataclass(frozen=True)
class DocumentLoss:
    """What one document costs a model.

    Attributes:
        tokens: predicted tokens that the loss is on.
        bytes: of UTF-8, that these tokens stand for.
        nats: the sum of -ln p over the tokens.
        truncated: whether the document is longer than what was scored.
    """

    tokens: int
    bytes: int
    nats: float
    truncated: bool


@dataclass(frozen=True)
class Evaluation:
    """What a test set costs a model.

    Attributes:
        documents: in the order given; a document without text has no tokens.
    """

    documents: list[DocumentLoss]

    @property
    def tokens(self) -> int:
        return sum(document.tokens for document in self.documents)

    @property
    def bytes(self) -> int:
        return sum(document.bytes for document in self.documents)

    @property
    def truncated(self) -> int:
        """Documents of which only the beginning was scored."""
        return sum(document.truncated for document in self.documents)

    @property
    def loss(self) -> float:
        """Cross-entropy in nats a token, over all tokens of all documents."""
        return math.fsum(document.nats for document in self.documents) / self.tokens

    @property
    def bits_per_byte(self) -> float:
        """Cross-entropy in bits a byte of UTF-8."""
        return math.fsum(document.nats for document in self.documents) / math.log(2) / self.bytes


def cross_entropy(
    model: LanguageModel,
    documents: Sequence[str | Chat],
    test_tokens: int = 1024,
    on_documents: Callable[[int], None] | None = None,
) -> Evaluation:
    """Score documents, each on its own.

    Args:
        model: it is in evaluation mode afterwards as before.
        documents: texts or chats.
        test_tokens: longest prefix of a document to score, in tokens; clipped to what the model can read.
        on_documents: told the number of documents done after each batch.

    Raises:
        ZipfitError: the documents hold no text, or the loss is on none of what is scored.
    """
    network, tokenizer = model.network, model.tokenizer
    begins, ends = _adds(tokenizer)
    start = tokenizer.bos_token_id if begins else tokenizer.eos_token_id
    limit = min(test_tokens, getattr(network.config, "max_position_embeddings", test_tokens + 1) - 1)
    # Letters of a text that are the token which parts documents are part of no prediction.
    first = "" if begins else tokenizer.eos_token
    last = "" if ends else tokenizer.eos_token
    encoded = iter(encode([document for document in documents if isinstance(document, str)], tokenizer))
    prepared = [
        _Prepared(document.tokens.tolist(), start, limit, scored=document.scored)
        if isinstance(document, Chat)
        else _Prepared(next(encoded), start, limit, text=document.removesuffix(last).removeprefix(first))
        for document in documents
    ]
    chats = any(isinstance(document, Chat) for document in documents)
    wanted = f"of the assistant's in the first {limit} tokens of a chat" if chats else "text"
    need(
        any(document.scored.any() for document in prepared),
        f"the test set holds {'nothing' if chats else 'no'} {wanted}",
    )
    nats: dict[int, float] = {}
    training = network.training
    network.eval()
    try:
        with in_float32(network), ExitStack() as stack:
            stack.callback(linear_by_onednn(network))
            for batch in _batches(prepared):
                costs = _nats(network, [prepared[index] for index in batch], start)
                nats.update(zip(batch, costs, strict=True))
                if on_documents is not None:
                    on_documents(len(batch))
    finally:
        network.train(training)
    return Evaluation(
        [
            DocumentLoss(int(each.scored.sum()), each.bytes(tokenizer), nats[index], each.truncated)
            for index, each in enumerate(prepared)
        ]
    )


def _nats(network: Any, documents: Sequence[_Prepared], start: int) -> list[float]:
    """The sum of -ln p over each document's tokens that count, from one pass over them all."""
    import torch
    from torch.nn.utils.rnn import pad_sequence

    rows = [torch.tensor(document.tokens, device=network.device) for document in documents]
    tokens = pad_sequence(rows, batch_first=True, padding_value=start)
    mask = pad_sequence([torch.ones_like(row) for row in rows], batch_first=True)
    with torch.inference_mode():
        logits = network(input_ids=tokens, attention_mask=mask, use_cache=False).logits
        costs = (
            torch.nn.functional.cross_entropy(predicted[: len(row) - 1].float(), row[1:], reduction="none")
            for predicted, row in zip(logits, rows, strict=True)
        )
        counted = (torch.from_numpy(document.scored).to(network.device) for document in documents)
        return [float(cost.double()[count].sum()) for cost, count in zip(costs, counted, strict=True)]


class _Prepared:
    """A document's tokens after the token that it is predicted from, cut to the limit, and which of them count.

    Without marks all do, and the text is what they say.
    """

    def __init__(
        self, tokens: list[int], start: int, limit: int, *, text: str = "", scored: NDArray[np.bool_] | None = None
    ) -> None:
        before = int(tokens[:1] == [start])
        body = tokens[before:]
        self.truncated = len(body) > limit
        self.tokens = [start, *body[:limit]]
        self.scored = np.ones(len(self.tokens) - 1, bool) if scored is None else scored[before:][:limit]
        self._text = text
        self._is_chat = scored is not None

    def bytes(self, tokenizer: Any) -> int:
        said = self._text
        if self.truncated or self._is_chat:
            tokens = np.array(self.tokens[1:])[self.scored].tolist()
            said = tokenizer.decode(tokens, skip_special_tokens=self._is_chat, clean_up_tokenization_spaces=False)
        return len(said.encode("utf-8", "replace"))


def _adds(tokenizer: Any) -> tuple[bool, bool]:
    """Whether the tokenizer puts a begin-of-text token before a text, and an end-of-text token after it."""
    tokens = tokenizer("a")["input_ids"]
    begins = tokenizer.bos_token_id is not None and tokens[:1] == [tokenizer.bos_token_id]
    return begins, tokens[-1:] == [tokenizer.eos_token_id]


def _batches(prepared: Sequence[_Prepared]) -> Iterator[list[int]]:
    """Documents of like length together, at most _BATCH_TOKENS with the padding, a longer one alone."""
    batch: list[int] = []
    for index in sorted(range(len(prepared)), key=lambda index: -len(prepared[index].tokens)):
        if batch and (len(batch) + 1) * len(prepared[batch[0]].tokens) > _BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
