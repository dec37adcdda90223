"""Methods of a user's own that fail: one sentence that names them, and the exception behind it."""

from __future__ import annotations

import os

import pytest
from support import pool_records, target_texts, write_jsonl

import zipfit as package

SOURCE = """\
class Method:
    def fit(self, target, pool=None):
        return self


class Raises(Method):
    def score(self, texts):
        return [1 / 0 for text in texts]


class Silent(Method):
    def score(self, texts):
        raise AssertionError


class Strings(Method):
    def score(self, texts):
        return ["good" for text in texts]


class Nothing(Method):
    def score(self, texts):
        return None


class FitsAlone:
    def fit(self, target):
        return self

    def score(self, texts):
        return [0.0 for text in texts]


class Unfit:
    def fit(self, target, pool=None):
        return target["a"]

    def score(self, texts):
        return [0.0 for text in texts]


class RanksNothing(Method):
    def rank(self, pool):
        return None


class RanksPositions(Method):
    def rank(self, pool):
        return iter(range(40))


class RanksBadly(Method):
    def rank(self, pool):
        yield 0, 1.0
        yield {}["a"], 1.0


class Shortlists(Method):
    def shortlist(self, pool, reach):
        raise OSError("no such index")


class NotMade(Method):
    def __init__(self):
        raise KeyError("home")

    def score(self, texts):
        return [0.0 for text in texts]
"""

FAILURES = {
    "Raises": "method bad:Raises failed in score: ZeroDivisionError: division by zero (bad.py, line 8)",
    "Silent": "method bad:Silent failed in score: AssertionError (bad.py, line 13)",
    "Strings": "the method gave scores that are not numbers: could not convert string to float: 'good'",
    "Nothing": "the method gave scores of shape () for 40 texts",
    "FitsAlone": "method bad:FitsAlone failed in fit: TypeError: FitsAlone.fit() takes 2 positional arguments but 3 were "
    "given: its signature is fit(target, pool)",
    "RanksNothing": "method bad:RanksNothing failed in rank: TypeError: 'NoneType' object is not iterable",
    "RanksPositions": "the method must rank by a position and a score, not 0",
    "RanksBadly": "method bad:RanksBadly failed in rank: KeyError: 'a' (bad.py, line 55)",
    "Shortlists": "method bad:Shortlists failed in shortlist: OSError: no such index (bad.py, line 60)",
    "NotMade": "method bad:NotMade failed in __init__: KeyError: 'home' (bad.py, line 65)",
}


@pytest.fixture
def bad(folder, monkeypatch):
    (folder / "bad.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(str(folder))
    write_jsonl(folder / "pool.jsonl", pool_records())
    write_jsonl(folder / "target.jsonl", target_texts())


def selecting(name, *options):
    return ["select", "pool.jsonl", "-t", "target.jsonl", "--top", 5, "-o", "out.jsonl", "-m", f"bad:{name}", *options]


@pytest.mark.usefixtures("bad")
@pytest.mark.parametrize("name", FAILURES)
def test_a_method_that_fails_is_one_sentence(zipfit, folder, name):
    ran = zipfit(*selecting(name))
    assert (ran.status, ran.out, ran.err) == (2, "", f"zipfit: error: {FAILURES[name]}\n")
    assert not (folder / "out.jsonl").exists()


@pytest.mark.usefixtures("bad")
def test_a_method_that_fails_inside_another_is_named(zipfit, folder):
    expected = f"zipfit: error: {FAILURES['Raises']}\n"
    assert zipfit(*selecting("Raises", "--within", "zipfit:0.5")).err == expected
    within = selecting("Raises")
    within[-1] = "zipfit"
    assert zipfit(*within, "--within", "bad:Raises:0.5").err == expected
    assert "method bad:Unfit failed in fit: TypeError: " in zipfit(*within, "--within", "bad:Unfit:0.5").err
    assert zipfit(*within, "--report", "a.html", "--report-against", "bad:Raises").err == expected
    distilled = zipfit(*within[:-1], "distilled", "--param", "teacher=bad:Unfit")
    assert "method bad:Unfit failed in fit: TypeError: " in distilled.err
    assert zipfit("score", "pool.jsonl", "-t", "target.jsonl", "-o", "kept/", "-m", "bad:Raises").err == expected


@pytest.mark.usefixtures("bad")
def test_the_traceback_is_shown_to_who_asks(started):
    process = started(*selecting("Raises", "--debug"), env={**os.environ, "PYTHONPATH": "."})
    _, err = process.communicate(timeout=60)
    assert b"ZeroDivisionError" in err
    assert b"Traceback" in err


@pytest.mark.usefixtures("bad")
def test_the_exception_is_the_cause():
    with pytest.raises(package.ZipfitError, match="failed in score: ZeroDivisionError") as caught:
        package.select("pool.jsonl", "target.jsonl", top=5, method="bad:Raises")
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_mistake_of_our_own_keeps_its_traceback(monkeypatch):
    monkeypatch.setattr(package.ZipFit, "score", lambda self, texts: [1 / 0])
    with pytest.raises(ZeroDivisionError):
        package.select(["a"], ["a"], top=1)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "mine:SharedWords,least=2",
            (
                "method 'mine:SharedWords,least=2': its options go apart: mine:SharedWords with --param least=2 "
                "(in Python: options={'least': '2'})"
            ),
        ),
        (
            "cover,unit=word",
            (
                "method 'cover,unit=word': its options go apart: cover with --param unit=word "
                "(in Python: options={'unit': 'word'})"
            ),
        ),
        ("mine.py:Own", "method 'mine.py:Own': is a module and no file: write mine:Own"),
        ("methods/mine.py:Own", "method 'methods/mine.py:Own': is a module and no file: write methods.mine:Own"),
    ],
)
def test_a_name_that_is_almost_one(zipfit, folder, name, message):
    ran = zipfit("select", "pool.jsonl", "-t", "target.jsonl", "--top", 5, "-o", "out.jsonl", "-m", name)
    assert (ran.status, ran.err) == (2, f"zipfit: error: {message}\n")
