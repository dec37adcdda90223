"""What documents cost a language model, one by one and always the same bits; kept on disk by text, as vectors are.

A document's loss must not depend on its neighbours, or another pool would give other ties. On a processor each document
is read alone, by one thread, while the job's threads take different documents. A graphics card wants batches: there a
document's batch has a shape that its own length alone decides, rows being left empty where documents are few, so that
the same kernels add up the same numbers whoever else is in the batch.
"""

from __future__ import annotations

import hashlib
import re
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from zipfit.errors import ZipfitError
from zipfit.methods.encoder import PROBE
from zipfit.methods.vector_cache import Row, VectorCache, cache_folder, key_of
from zipfit.system.networks import in_one_thread, linear_by_onednn
from zipfit.system.texts import Texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from zipfit.training.models import LanguageModel

SHORTEST_ROW = 64
BATCH_TOKENS = 4096
"""On a graphics card rows are 64, 128, 256, ... tokens long, and a batch has this many tokens, or one row."""


class Tokens(NamedTuple):
    """A text's own tokens: their numbers, where in its characters each ends, and the token they are predicted from."""

    ids: list[int]
    ends: list[int]
    start: int


def own_tokens(text: str, model: LanguageModel) -> Tokens:
    """The tokens of a text without those that the tokenizer puts before and after every text.

    Raises:
        ZipfitError: the tokenizer does not say where tokens stand.
    """
    tokenizer = model.tokenizer
    try:
        encoded = tokenizer(text, return_offsets_mapping=True, verbose=False)
    except NotImplementedError as error:
        raise ZipfitError(f"model {model.name}: its tokenizer does not say where in a text its tokens stand") from error
    ids, offsets, start = encoded["input_ids"], encoded["offset_mapping"], tokenizer.eos_token_id
    if ids and ids[0] == tokenizer.bos_token_id and offsets[0][1] == 0:
        start, ids, offsets = ids[0], ids[1:], offsets[1:]
    if ids and ids[-1] == tokenizer.eos_token_id and offsets[-1][1] == 0:
        ids, offsets = ids[:-1], offsets[:-1]
    return Tokens(ids, [end for _, end in offsets], start)


class Losses:
    """The losses of texts under one model; safe from several threads.

    Args:
        model: its linear layers are done by oneDNN from then on, where that helps; it is not to be trained.
        max_tokens: longest prefix of a text that is read, at least 1; clipped to what the model can read.
        cache: keep losses on disk, in a file named after what the model makes of a probe text.
    """

    def __init__(self, model: LanguageModel, max_tokens: int, cache: bool) -> None:
        self._model = model
        self._limit = min(max_tokens, getattr(model.network.config, "max_position_embeddings", max_tokens + 1) - 1)
        self._turn = threading.Lock()
        linear_by_onednn(model.network)
        self._cache: VectorCache | None = None
        if cache:
            probe = self.of(Texts.of([PROBE]))
            nature = f"{self._limit} {len(model.tokenizer)}".encode() + probe.astype("<f8").tobytes()
            name = re.sub(r"[^\w.-]+", "-", model.name).strip("-.")[-80:]
            file = f"{name}-{hashlib.sha256(nature).hexdigest()[:16]}.sqlite"
            self._cache = VectorCache(cache_folder().with_name("losses") / file, 2)

    def of(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return for each text the sum of -ln p over its tokens, rounded to float32, and their number, shape (n, 2)."""
        encoded = list(Texts.of(texts).encoded())
        keys = [key_of(text) for text in encoded]
        known = self._cache.get(list(dict.fromkeys(keys))) if self._cache else {}
        missing = {key: text for key, text in zip(keys, encoded, strict=True) if key not in known}
        if missing:
            with self._turn:  # a tokenizer changes its own settings on the way
                tokens = [own_tokens(text.decode(), self._model) for text in missing.values()]
            cut = [each._replace(ids=each.ids[: self._limit]) for each in tokens]
            on_card = self._model.network.device.type != "cpu"
            nats = in_shapes(cut, self._model, self._turn) if on_card else alone(cut, self._model)
            new = {
                key: Row(np.array([cost, len(short.ids)], np.float32), len(whole.ids) > self._limit)
                for key, cost, short, whole in zip(missing, nats, cut, tokens, strict=True)
            }
            if self._cache:
                self._cache.put(new)
            known |= new
        return np.array([known[key].vector for key in keys], np.float64).reshape(len(keys), 2)


def alone(texts: Sequence[Tokens], model: LanguageModel) -> list[float]:
    """The sum of -ln p of each text's tokens, each text read by itself, in one thread."""
    import torch

    with in_one_thread():
        return [
            _sums(torch.tensor([[text.start, *text.ids]], device=model.network.device), [len(text.ids)], model)[0]
            if text.ids
            else 0.0
            for text in texts
        ]


def in_shapes(texts: Sequence[Tokens], model: LanguageModel, turn: threading.Lock) -> list[float]:
    """The same in batches of fixed shapes, one batch at a time."""
    import torch

    nats = [0.0] * len(texts)
    by_length: dict[int, list[int]] = {}
    for index, text in enumerate(texts):
        if text.ids:
            needed = len(text.ids) + 1
            by_length.setdefault(max(SHORTEST_ROW, 1 << (needed - 1).bit_length()), []).append(index)
    limit = getattr(model.network.config, "max_position_embeddings", None)
    for length, indices in sorted(by_length.items()):
        width = length if limit is None else min(length, limit)
        height = max(1, BATCH_TOKENS // length)
        for first in range(0, len(indices), height):
            some = indices[first : first + height]
            rows = np.full((height, width), texts[some[0]].start)
            for row, index in zip(rows, some, strict=False):
                row[: len(texts[index].ids) + 1] = [texts[index].start, *texts[index].ids]
            sizes = [len(texts[index].ids) for index in some]
            with turn:
                sums = _sums(torch.tensor(rows, device=model.network.device), sizes, model)
            for index, paid in zip(some, sums, strict=True):
                nats[index] = paid
    return nats


def _sums(rows: Any, sizes: Sequence[int], model: LanguageModel) -> list[float]:
    """The sums of -ln p of the first rows, over so many tokens of each after its first."""
    import torch

    with torch.inference_mode():
        logits = model.network(input_ids=rows, use_cache=False).logits
        return [
            float(
                torch.nn.functional.cross_entropy(
                    logits[index, :size].float(),
                    rows[index, 1 : size + 1],
                    reduction="none",
                )
                .double()
                .sum()
            )
            for index, size in enumerate(sizes)
        ]
