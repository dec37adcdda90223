"""What is said of a selection unasked."""

from __future__ import annotations

import json
import random

import pytest
from support import write_jsonl

import zipfit
from zipfit.corpus.reading import ReadAs, Reading
from zipfit.corpus.sample import SIZE, Sample
from zipfit.selection.findings import off_task

SUMS = [f"What is the sum of {n} and {2 * n + 1} in this row?" for n in range(60)]


def found(tmp_path, pool, target, **arguments):
    return zipfit.select(pool, target, **arguments).save(tmp_path / "out.jsonl").get("findings", {})


def test_examples_that_lie_in_the_pool_are_counted(tmp_path):
    pool = [*SUMS[:4], SUMS[0].upper(), f"Q: {SUMS[5]} A: 16", "What is", "something else entirely, of no account"]
    said = found(tmp_path, pool, [*SUMS, "What is"], fraction=1.0)
    assert said == {"equal_to_examples": 6, "containing_examples": 1}
    assert found(tmp_path / "..", ["What is what is", "other words"], ["What is"], top=2) == {}


def chat(question: str, answer: str | None) -> dict[str, object]:
    turns = [{"role": "user", "content": question}]
    return {"messages": turns if answer is None else [*turns, {"role": "assistant", "content": answer}]}


ANSWERED = [
    {"question": text, "answer": f"Let us see. {text} That is easily told: " + "so it is and so it stays " * 30}
    for text in SUMS
]


@pytest.mark.parametrize(
    ("target", "arguments", "mended_by"),
    [
        (SUMS, {}, "--roles user, or --method gain"),
        ([chat(text, None) for text in SUMS], {}, "--roles user, or --method gain"),
        ([{"question": text * 9} for text in SUMS], {"target_field": "question"}, "--roles user, or --method gain"),
        (SUMS, {"method": "dsir"}, "--method gain"),
        (SUMS, {"method": "gain"}, None),
        (SUMS, {"roles": "user"}, None),
        (ANSWERED, {}, None),
        ([chat(text, "so it is") for text in SUMS], {}, None),
        ([{"text": f"{each['question']}\n{each['answer']}"} for each in ANSWERED], {}, None),
    ],
)
def test_a_target_of_prompts_alone(tmp_path, target, arguments, mended_by):
    assert found(tmp_path, ANSWERED, target, top=5, **arguments).get("prompts_only") == mended_by


def test_a_source_without_answers_needs_no_prompts(tmp_path):
    assert "prompts_only" not in found(tmp_path, ["text " * 40 + text for text in SUMS], SUMS, top=5)


def test_off_task():
    rng = random.Random(0)

    def texts(words, count):
        return [" ".join(rng.choices(words.split(), k=12)) for _ in range(count)]

    target = texts("select from where count group order by join table name", 60)
    prose = texts("the river ran slow in winter and stones lay cold on every bank we saw", 300)
    assert off_task(prose[:100], prose, target) == {"own_words": 0.0, "typical_words": 0.0}
    assert off_task(texts("select from where count group limit", 100), prose, target) is None
    assert off_task(target, target, target) is None  # a pool of the task alone
    assert off_task(prose, prose, target[:49]) is None
    assert off_task(["", " "], prose, target) is not None
    assert off_task(prose, prose, ["", "…"] * 40) is None


def test_nothing_is_said_of_a_random_choice(tmp_path):
    assert found(tmp_path, ["word " * 9] * 80, SUMS, top=9, method="random") == {}


@pytest.mark.parametrize(
    ("record", "arguments", "expected"),
    [
        ({"text": "a"}, {}, ReadAs("text")),
        (chat("a", "b"), {}, ReadAs("messages (user, assistant)", ("user", "assistant"))),
        (chat("a", "b"), {"roles": "user"}, ReadAs("messages (user)", ("user",))),
        ({"question": "a", "answer": "b"}, {}, ReadAs("question + answer", ("user", "assistant"))),
        ({"question": "a", "answer": "b"}, {"roles": "user"}, ReadAs("question + answer (user)", ("user",))),
        ({"instruction": "a", "input": "", "output": "b"}, {}, ReadAs("instruction + output", ("user", "assistant"))),
        ({"body": "a"}, {"text_field": "body"}, ReadAs("field body")),
        (chat("a", "b"), {"text_field": "messages"}, ReadAs("field messages (user, assistant)", ("user", "assistant"))),
        ({"body": "a"}, {"template": "{body}"}, ReadAs("a template")),
    ],
)
def test_how_a_record_is_read(record, arguments, expected):
    reading = Reading(**arguments)
    assert reading.text(record)
    assert reading.read_as(record) == expected


@pytest.mark.parametrize("size", [0, 1, SIZE, 2 * SIZE, 2 * SIZE + 1, 5000])
def test_a_sample_is_even(size):
    sample = Sample()
    for number in range(size):
        if sample.takes_next():
            sample.add(ReadAs("text"), str(number), 1)
    kept = [int(each.text) for each in sample.documents]
    step = kept[1] if len(kept) > 1 else 1
    assert kept == list(range(0, size, step))
    assert min(size, SIZE) <= len(kept) < 2 * SIZE


class TestOfTheCommand:
    @pytest.fixture(autouse=True)
    def files(self, folder):
        write_jsonl(folder / "target.jsonl", SUMS[:5])
        write_jsonl(folder / "pool.jsonl", [*SUMS, "\x1b[31m" + "red " * 9])
        write_jsonl(folder / "test.jsonl", SUMS[3:6])

    SELECT = ("select", "pool.jsonl", "-t", "target.jsonl", "-o", "out.jsonl", "--overwrite")

    def test_the_summary_says_it(self, zipfit):
        ran = zipfit(*self.SELECT, "--top", 20)
        said = " ".join(ran.out.split())
        assert "5 chosen documents equal a target example (--exclude TARGET leaves them out)" in said
        assert 'source read as: text, as in "What is the sum of 0 and 1 in this row?"; target read as: text' in said

    def test_json_has_it_always(self, zipfit):
        summary = json.loads(zipfit(*self.SELECT, "--top", 5, "--exclude", "target.jsonl", "--json").out)
        nothing = {"equal_to_examples": 0, "containing_examples": 0, "prompts_only": None, "off_task": None}
        assert summary["findings"] == nothing
        assert summary["selection"]["dropped"] == {"overlap": 5}
        assert summary["check"] is None

    def test_a_check_that_finds_something_fails_if_asked(self, zipfit, folder):
        ran = zipfit(*self.SELECT, "--fraction", 1, "--check", "test.jsonl")
        assert ran.status == 0
        assert "3 chosen documents overlap with test.jsonl" in ran.out
        ran = zipfit(*self.SELECT, "--fraction", 1, "--check", "test.jsonl", "--fail-on-overlap", "-q")
        assert (ran.status, ran.out) == (1, "")
        assert ran.err == "zipfit: 3 of 61 chosen documents overlap with test.jsonl\n"
        assert (folder / "out.manifest.json").exists()
        both = ("--check", "test.jsonl", "--exclude", "test.jsonl", "--fail-on-overlap")
        assert zipfit(*self.SELECT, "--top", 9, *both, "-q").status == 0

    def test_text_of_others_is_harmless(self, zipfit, folder):
        write_jsonl(folder / "test.jsonl", ["\x1b[31m" + "red " * 9])
        ran = zipfit(*self.SELECT, "--fraction", 1, "--check", "test.jsonl")
        assert "1 chosen documents overlap" in ran.out
        assert "\x1b[31m" not in ran.out

    def test_wrong_options_end_before_the_work(self, zipfit):
        ran = zipfit(*self.SELECT, "--top", 1, "--fail-on-overlap")
        assert (ran.status, ran.err) == (
            2, "zipfit: error: --fail-on-overlap needs a test set to look for: give --check FILE\n",
        )  # fmt: skip
        ran = zipfit(*self.SELECT, "--top", 1, "--overlap", "exact")
        assert (ran.status, ran.err) == (2, "zipfit: error: overlap is the rule of a test set: exclude or check one\n")
