"""Test sets that are left out of a selection, or looked for in it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import pool_records, read_jsonl, target_texts, write_jsonl

import zipfit
from zipfit.corpus.overlap import Rule, TestExamples
from zipfit.corpus.reading import Reading
from zipfit.errors import ZipfitError
from zipfit.selection.manifest import verify
from zipfit.selection.rerun import rerun
from zipfit.selection.test_set import open_test_set

QUESTIONS = [
    "Which of the two rivers in the north carries more water in the spring, and by how much does it exceed the other?",
    "How many of the nine letters that she wrote in winter did the postman lose on his way over the frozen lake?",
    "What is the capital of France?",
]
LEAKS = [
    {"id": 100, "text": f"Q: {QUESTIONS[0]}\nA: the first, by far", "source": "web"},
    {"id": 101, "text": QUESTIONS[1].replace("the", "The"), "source": "web"},
    {"id": 102, "text": f"quiz: {QUESTIONS[2]} Paris", "source": "books"},
]


@pytest.fixture
def here(folder):
    """Three leaks in a pool whose best documents they are."""
    records = pool_records()
    write_jsonl(folder / "pool.jsonl", [*records[:10], *LEAKS, *records[10:]])
    write_jsonl(folder / "target.jsonl", QUESTIONS)
    write_jsonl(folder / "test.jsonl", [{"question": question, "answer": "none"} for question in QUESTIONS])
    return folder


def test_the_budget_is_filled_with_what_comes_next(here):
    leaky = zipfit.select("pool.jsonl", "target.jsonl", top=6)
    assert {10, 11, 12} <= set(leaky.indices.tolist())
    clean = zipfit.select("pool.jsonl", "target.jsonl", top=6, exclude="test.jsonl")
    expected = [position for position in leaky.at(top=9).indices.tolist() if position not in (10, 11, 12)]
    assert clean.indices.tolist() == expected[:6]
    manifest = clean.save("clean.jsonl")
    assert manifest["selection"]["dropped"] == {"overlap": 3}
    written = {line["position"]: line for line in read_jsonl(here / "clean.jsonl.excluded.jsonl")}
    assert sorted(written) == [10, 11, 12]
    assert written[12] == {
        "position": 12,
        "test_file": "test.jsonl",
        "test_row": 2,
        "test_text": "What is the capital of France?\nnone",
        "shared_words": "what is the capital of france",
        "overlap": 1.0,
        "zipfit_score": leaky.pool_scores[12],
    }


@pytest.mark.parametrize(
    "arguments",
    [
        {"top": 4}, {"fraction": 0.2}, {"tokens": 600, "tokenizer": "bytes"}, {"min_score": 0.0},
        {"top": 4, "method": "cover"}, {"top": 4, "method": "gain"}, {"top": 4, "method": "racing"},
        {"top": 4, "method": "random"}, {"top": 4, "dedup": "exact"}, {"top": 4, "max_share": 0.5},
    ],
)  # fmt: skip
def test_with_every_budget_method_and_rule(here, arguments):
    chosen = zipfit.select("pool.jsonl", "target.jsonl", exclude="test.jsonl", **arguments)
    assert {10, 11, 12}.isdisjoint(chosen.indices.tolist())
    examples = TestExamples([[question] for question in QUESTIONS], Rule.of("8-gram=0.5"))
    assert not any(map(examples.match, chosen.texts))


def test_positions_count_the_records_that_were_passed_over(here):
    lines = (here / "pool.jsonl").read_text()
    (here / "pool.jsonl").write_text("broken\n" + lines)
    (here / "test.jsonl").write_text("broken\n" + (here / "test.jsonl").read_text())
    chosen = zipfit.select("pool.jsonl", "target.jsonl", top=6, exclude="test.jsonl", skip_bad=True)
    chosen.save("out.jsonl")
    written = read_jsonl(here / "out.jsonl.excluded.jsonl")
    assert sorted((line["position"], line["test_row"]) for line in written) == [(11, 1), (12, 2), (13, 3)]
    rejected = read_jsonl(here / "out.jsonl.rejected.jsonl")
    assert sorted(line["file"] for line in rejected) == ["pool.jsonl", "test.jsonl"]


@pytest.mark.parametrize(
    "test",
    [
        {"messages": [{"role": "user", "content": QUESTIONS[0]}, {"role": "assistant", "content": "The first. " * 40}]},
        {"question": QUESTIONS[0], "answer": "The first, since it comes from the glacier and so on. " * 9},
        {"text": QUESTIONS[0]},
        QUESTIONS[0],
    ],
)
def test_a_question_alone_is_found_whatever_the_example_goes_on_with(test):
    found = open_test_set("exclude", [test], Reading(), "8-gram=0.5")
    match = found.examples.match(f"user: {QUESTIONS[0]}\n\nassistant: another answer")
    assert match is not None
    assert match.score == 1.0


def test_they_are_read_like_the_target(here):
    write_jsonl(here / "test.jsonl", [{"q": question, "text": "nothing"} for question in QUESTIONS])
    write_jsonl(here / "target.jsonl", [{"q": question} for question in QUESTIONS])
    chosen = zipfit.select("pool.jsonl", "target.jsonl", top=6, target_field="q", exclude="test.jsonl")
    assert {10, 11, 12}.isdisjoint(chosen.indices.tolist())


def test_it_is_made_again_and_verified_with_its_test_sets(here):
    chosen = zipfit.select(
        "pool.jsonl", "target.jsonl", top=6, exclude="test.jsonl", check="target.jsonl", overlap="13-gram"
    )
    manifest = chosen.save("out.jsonl")
    assert manifest["exclude"]["inputs"][0]["name"] == "test.jsonl"
    assert len(manifest["exclude"]["inputs"][0]["sha256"]) == 64
    assert manifest["exclude"]["inputs"][0]["documents"] == 3
    assert manifest["parameters"]["overlap"] == "13-gram"
    said = []
    again, same = rerun("out.manifest.json", "again.jsonl", announce=said.append)
    assert same
    assert said == [
        "reads pool.jsonl for target.jsonl without test.jsonl to check against target.jsonl, and writes again.jsonl"
    ]
    assert again.cut.dropped == chosen.cut.dropped
    assert verify("out.manifest.json") == []
    (here / "test.jsonl").write_text("changed")
    assert verify("out.manifest.json") == ["test.jsonl: has changed (7 bytes, 354 in the manifest)"]


def test_without_them_nothing_is_written_of_them(here):
    manifest = zipfit.select("pool.jsonl", target_texts(), top=3).save("out.jsonl")
    assert {"exclude", "check", "findings"}.isdisjoint(manifest)
    assert "overlap" not in manifest["parameters"]
    assert not (here / "out.jsonl.excluded.jsonl").exists()


def test_a_check_reports_and_changes_nothing(here):
    plain = zipfit.select("pool.jsonl", "target.jsonl", top=6)
    checked = zipfit.select("pool.jsonl", "target.jsonl", top=6, check="test.jsonl")
    assert checked.indices.tolist() == plain.indices.tolist()
    found = checked.save("out.jsonl", order="source")["check"]
    assert found["overlapping"] == 3
    ranks = [case["rank"] for case in found["cases"]]
    leaks = [rank for rank, position in enumerate(checked.indices.tolist(), 1) if position in (10, 11, 12)]
    assert ranks == leaks
    assert json.loads((here / "out.manifest.json").read_text())["check"] == found


def test_several_test_sets_and_what_python_holds(here):
    write_jsonl(here / "other.jsonl", [QUESTIONS[1]])
    files = zipfit.Files(["other.jsonl", "test.jsonl"])
    chosen = zipfit.select("pool.jsonl", "target.jsonl", top=6, exclude=files)
    chosen.save("out.jsonl")
    places = {
        line["position"]: (line["test_file"], line["test_row"])
        for line in read_jsonl(here / "out.jsonl.excluded.jsonl")
    }
    assert places == {10: ("test.jsonl", 0), 11: ("other.jsonl", 0), 12: ("test.jsonl", 2)}
    held = zipfit.select("pool.jsonl", "target.jsonl", top=6, exclude=QUESTIONS)
    assert held.indices.tolist() == chosen.indices.tolist()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"exclude": []}, r"^the test set to exclude is empty: it holds no document$"),
        ({"check": []}, r"^the test set to check is empty: it holds no document$"),
        ({"exclude": [{"text": ""}]}, r"^exclude, document 0: the text is empty$"),
        ({"exclude": [{"other": 1}]}, r"^exclude, document 0: no text found"),
        ({"exclude": "missing.jsonl"}, r"^missing.jsonl: "),
        ({"overlap": "13-gram"}, r"^overlap is the rule of a test set: exclude or check one$"),
        ({"exclude": ["a"], "overlap": "many"}, r"^overlap 'many': write exact, N-gram"),
        ({"exclude": "-", "check": "-"}, r"^standard input can be read only once$"),
    ],
)
def test_what_is_wrong_is_said_before_the_work(here, arguments, reason):
    class Unasked:
        def fit(self, target, pool=None):
            raise AssertionError

        score = fit

    with pytest.raises(ZipfitError, match=reason):
        zipfit.select("pool.jsonl", "target.jsonl", top=3, method=Unasked(), **arguments)


def test_scores_that_are_infinite_are_null(here):
    class Infinite:
        def fit(self, target, pool=None):
            return self

        def score(self, texts):
            return [float("inf") for _ in texts]

    zipfit.select([LEAKS[0]["text"], "other"], ["a"], top=1, exclude=QUESTIONS, method=Infinite()).save("out.jsonl")
    assert read_jsonl(here / "out.jsonl.excluded.jsonl")[0]["zipfit_score"] is None


def test_an_output_takes_the_place_of_no_test_set(here):
    chosen = zipfit.select("pool.jsonl", "target.jsonl", top=3, check="test.jsonl")
    with pytest.raises(ZipfitError, match=r"^test.jsonl: is one of the inputs"):
        chosen.save("test.jsonl", overwrite=True)


def test_what_an_earlier_run_left_out_does_not_stay(here):
    zipfit.select("pool.jsonl", "target.jsonl", top=6, exclude="test.jsonl").save("out.jsonl")
    zipfit.select("pool.jsonl", "target.jsonl", top=6).save("out.jsonl", overwrite=True)
    assert not (here / "out.jsonl.excluded.jsonl").exists()


words = st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=1, max_size=14).map(" ".join)


@settings(max_examples=40)
@given(st.lists(words, min_size=1, max_size=20), st.lists(words, min_size=1, max_size=4), st.integers(1, 20))
def test_what_is_taken_is_the_head_of_the_ranking_without_overlaps(pool, tests, top):
    ranked = zipfit.select(pool, ["a b c"], fraction=1.0).indices.tolist()
    examples = TestExamples([[text] for text in tests], Rule.of("6-gram=0.5"))
    clean = [position for position in ranked if examples.match(pool[position]) is None]
    arguments = {"top": top, "exclude": tests, "overlap": "6-gram=0.5", "allow_fewer": True}
    if clean:
        assert zipfit.select(pool, ["a b c"], **arguments).indices.tolist() == clean[:top]
    else:
        with pytest.raises(ZipfitError, match="no document of the pool could be taken"):
            zipfit.select(pool, ["a b c"], **arguments)
