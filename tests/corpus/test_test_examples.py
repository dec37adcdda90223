from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from zipfit.corpus.overlap import SHORTEST, WHOLE, Rule, TestExamples, Verbatim, words
from zipfit.errors import ZipfitError

# Few words, so that runs are shared, come again and overlap with themselves.
texts = st.lists(st.sampled_from(["a", "A", "b.", "c", "-", "數", "é", "  "]), max_size=30).map(" ".join)
rules = st.builds(Rule, run=st.integers(0, 6), share=st.sampled_from([0.0, 0.5, 0.9]), shortest=st.integers(1, 6))


def same(one: str, other: str) -> bool:
    return one.lower().split() == other.lower().split()


def share_covered(text: str, document: str, rule: Rule) -> float:
    """The share of a text's words that a document covers, word by word; 0 if that is not enough."""
    own, others = words(text), words(document)
    run = min(rule.run, len(own))
    if not run or run < min(rule.run, rule.shortest):
        return 0.0
    held = [others[start : start + run] for start in range(len(others) - run + 1)]
    covered = set()
    for start in range(len(own) - run + 1):
        if own[start : start + run] in held:
            covered |= set(range(start, start + run))
    score = len(covered) / len(own)
    is_enough = score > rule.share and not (rule.share and len(own) <= WHOLE and score < 1)
    return score if is_enough else 0.0


@given(st.lists(st.lists(texts, min_size=1, max_size=2), max_size=5), texts, rules)
@example([["a b a b a"]], "b a b a b", Rule(3))
@example([[""]], "", Rule(3))
def test_a_match_follows_the_definition(examples, document, rule):
    found = TestExamples(examples, rule)
    match = found.match(document)
    equal = [index for index, parts in enumerate(examples) for part in dict.fromkeys(parts) if same(part, document)]
    assert found.equal_to(document) == equal
    scores = [max(share_covered(part, document, rule) for part in parts) for parts in examples]
    assert sorted(set(found.sharing_with(document))) == [index for index, score in enumerate(scores) if score]
    if equal:
        assert match is not None
        assert (match.example, match.score, match.equal) == (equal[0], 1.0, True)
    elif any(scores):
        assert match is not None
        assert (match.example, match.equal) == (scores.index(max(scores)), False)
        assert match.score == pytest.approx(max(scores))
        shown = found.shared_words(match).split()
        assert len([word for word in shown if word != "…"]) == sum(match.covered[1::2]) - sum(match.covered[::2])
        for run in found.shared_words(match).split(" … "):
            assert any(run in " ".join(words(part)) for part in examples[match.example])
    else:
        assert match is None


@given(st.lists(texts, max_size=5), texts)
@example(["a b c a b d"], "a b c a b c a b d")
def test_verbatim_follows_the_definition(examples, document):
    found = Verbatim(examples)
    joined = "\0".join(["", *words(document), ""])
    whole = [words(text) for text in examples]
    assert found.equals(document) == any(same(text, document) for text in examples)
    assert found.contains(document) == any(
        len(own) >= SHORTEST and "\0".join(["", *own, ""]) in joined for own in whole
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello, World! it's x_1", ["hello", "world", "it", "s", "x", "1"]),
        ("数学が好き。 カタカナ・テスト", [*"数学が好き", *"カタカナテスト"]),
        ("ภาษาไทย", [*"ภาษาไทย"]),
        ("हिन्दी में, लिखो।", ["हिन्दी", "में", "लिखो"]),
        ("cafe\u0301 naïve", ["cafe\u0301", "naïve"]),
        ("GPT模型2", ["gpt", "模", "型", "2"]),
        ("\u3000、。「」…—", []),
        ("", []),
    ],
)
def test_words(text, expected):
    assert words(text) == expected


QUESTION = (
    "Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in May. How many in all?"
)


@pytest.mark.parametrize(
    ("example", "document", "rule", "score"),
    [
        # A question within a document, whatever case, punctuation and line ends.
        (QUESTION, "Q: " + QUESTION.upper().replace(" ", "\n") + " A: 72", "8-gram=0.5", 1.0),
        (QUESTION, "Natalia sold clips to 48 of her friends. It rained.", "8-gram=0.5", None),
        (QUESTION, "Natalia sold clips to 48 of her friends. It rained.", "8-gram", 8 / 24),
        (QUESTION, "Natalia sold clips to 48 of her friends. It rained.", "13-gram", None),
        (QUESTION, " ".join(QUESTION.split()[:13]), "13-gram", 13 / 24),
        (QUESTION, " ".join(QUESTION.split()[:13]), "exact", None),
        (QUESTION, QUESTION.lower(), "exact", 1.0),
        # Half a short question is its wording.
        (
            "Write a Python function to check whether the given array is monotonic",
            "Write a Python function to check whether the given list is sorted",
            "8-gram=0.5",
            None,
        ),
        (
            "Write a Python function to check whether the given array is monotonic",
            "Task 4. Write a Python function to check whether the given array is monotonic or not.",
            "8-gram=0.5",
            1.0,
        ),
        # Short examples: whole within a document, and from a handful of words on by equality alone.
        ("What is the capital of France?", "q: what is the capital of france a: paris", "8-gram=0.5", 1.0),
        ("What is the capital of France?", "q: what is the capital of france a: paris", "13-gram", 1.0),
        ("the capital of France", "q: what is the capital of france a: paris", "8-gram=0.5", None),
        ("the capital of France", "The capital\tof  France ", "8-gram=0.5", 1.0),
        ("1 + 1 = 2", "1 - 1 = 2", "8-gram=0.5", None),
        ("+ - *", "+ - *", "8-gram=0.5", 1.0),
        # Without spaces between words.
        ("法国的首都是哪里?", "问:法国的首都是哪里?答:巴黎", "8-gram=0.5", 1.0),
        ("フランスの首都はどこですか", "問題。フランスの首都は、どこですか。パリです。", "8-gram=0.5", 1.0),
        ("法国的首都是哪里?", "德国的首都是哪里?柏林", "8-gram=0.5", None),
    ],
)  # fmt: skip
def test_the_rules(example, document, rule, score):
    found = TestExamples([[example]], Rule.of(rule)).match(document)
    assert (None if found is None else found.score) == (None if score is None else pytest.approx(score))


def test_the_shared_words_are_those_of_the_example():
    found = TestExamples([["x", QUESTION]], Rule.of("8-gram=0.5"))
    match = found.match(QUESTION.replace("April", "May").replace("half", "twice"))
    assert match is not None
    assert found.shared_words(match) == (
        "natalia sold clips to 48 of her friends in … as many clips in may how many in all"
    )
    assert match.score == 18 / 24


def test_the_first_of_equal_examples_is_named():
    found = TestExamples([["other"], ["same text"], ["Same text"]], Rule(0))
    match = found.match("SAME TEXT")
    assert match is not None
    assert match.example == 1
    assert found.equal_to("same text") == [1, 2]


@pytest.mark.parametrize(
    "name",
    ["", "8", "gram", "0-gram", "8-gram=1", "8-gram=1.5", "8-gram=", "-8-gram", "8-gram=nan", "99999-gram", "Exact"],
)
def test_other_rules_are_refused(name):
    with pytest.raises(ZipfitError, match=re.escape(f"overlap {name!r}: write exact, N-gram")):
        Rule.of(name)


@pytest.mark.parametrize(
    ("name", "rule"), [("exact", Rule(0)), ("13-gram", Rule(13)), ("8-gram=.25", Rule(8, 0.25)), ("8-gram=0", Rule(8))]
)
def test_rules_by_name(name, rule):
    assert Rule.of(name) == rule


def test_a_document_of_one_run_again_and_again_costs_little():
    """Each shared run is looked at once, however often it comes; else these would be 10**10 places."""
    shared = "the quick brown fox jumps over the lazy dog "
    found = TestExamples([[shared + str(number)] for number in range(10_000)], Rule.of("8-gram=0.5"))
    assert found.match(shared * 100_000) is None


FORMS = [
    "Le garçon a mangé l'été dernier",
    "Le garc\u0327on a mange\u0301 l'e\u0301te\u0301 dernier",
    "Ｌｅ garçon a mangé l'été dernier",
]


@pytest.mark.parametrize("example", FORMS)
@pytest.mark.parametrize("document", FORMS)
def test_forms_of_unicode_are_alike(example, document):
    examples, verbatim = TestExamples([[example]], Rule.of("8-gram=0.5")), Verbatim([example])
    assert examples.match(document).equal
    assert examples.match(f"On dit : {document} !").score == 1
    assert verbatim.equals(document)
    assert verbatim.contains(f"On dit : {document} !")
