from __future__ import annotations

import re
from itertools import pairwise

import numpy as np
import pytest
from support import needs_nothing_but_itself, pool_records, target_texts, write_jsonl

import zipfit
from zipfit.errors import ZipfitError
from zipfit.report.selection import marked
from zipfit.selection.nearness import nearness

HOSTILE = "<script>document.title='taken'</script> & \"quoted\" </pre></table> {{ 7 * 7 }} {% raw %}"
UNSEEN = "right\u202eleft \u2066isolate \x00 nul \x1b[31m escape \ud800 surrogate \ufffe"


def page_of(selection, path):
    assert selection.report(path) == str(path)
    text = path.read_text("utf-8")
    return text, needs_nothing_but_itself(text)


@pytest.fixture(scope="module")
def chosen():
    records = [*pool_records(400), *pool_records(400)[:40], {"text": target_texts()[1], "source": "leak"}]
    return zipfit.select(records, target_texts(30), top=60, dedup="exact", check=[target_texts()[1]])


@pytest.fixture(scope="module")
def text(chosen, tmp_path_factory):
    return page_of(chosen, tmp_path_factory.mktemp("page") / "page.html")[0]


def test_everything_has_its_place(text):
    page = needs_nothing_but_itself(text)
    for said in (
        "60 documents out of 441, by ZipFit.",
        "The chosen documents score from",
        "examples are served",
        "Half of the chosen documents have at most",
        "a duplicate of a document taken",
        "1 equal an example of the target",
        "1 overlap with the test set to check.",
        "1 chosen documents equal a target example",
        "zipfit.methods.zipfit:ZipFit",
    ):
        assert said in page.text, said
    assert page.tags.count("h1") == 1
    order = [int(tag[1]) for tag in page.tags if re.fullmatch("h[1-6]", tag)]
    assert all(later - earlier <= 1 for earlier, later in pairwise(order))
    assert page.tags.count("svg") == text.count('role="img" aria-labelledby=') == 2
    for name in ("score-histogram", "length-histogram"):
        assert {name, f"{name}-title", f"{name}-desc"} <= set(page.ids)
    assert page.tags.count("mark") > 10
    scrolled = [value for tag, name, value in page.attributes if (tag, name, value) == ("div", "class", "scroll")]
    assert len(scrolled) == page.tags.count("table") > 5


def test_what_is_left_out_stands_there(tmp_path):
    leak = "one two three four five six seven eight nine ten eleven"
    pool = [*pool_records(60), {"text": f"{leak} and more"}, {"text": leak}]
    selection = zipfit.select(pool, [leak], top=5, exclude=[leak], check=["nothing of the kind is in the pool"])
    _, page = page_of(selection, tmp_path / "page.html")
    assert "2 documents were left out" in page.text
    assert "0 overlap with the test set to check" in page.text
    assert "chosen documents overlap with" not in page.text  # nothing to warn of
    assert "Documents left out, by position in the source" in page.text


def test_the_same_selection_gives_the_same_bytes(chosen, text, tmp_path):
    assert page_of(chosen, tmp_path / "again.html")[0] == text
    saved = chosen.save(tmp_path / "out.jsonl")
    zipfit.report_selection(chosen, tmp_path / "saved.html", saved)
    differs = tmp_path / "saved.html"
    named = differs.read_text("utf-8").replace(str(tmp_path / "out.jsonl"), "selection")
    assert named == text


@pytest.mark.parametrize("foreign", [HOSTILE, UNSEEN])
def test_foreign_texts_are_only_texts(foreign, tmp_path):
    records = [{"text": f"{foreign} number {i} {'word ' * i}", "source": f"{foreign}{i % 3}"} for i in range(20)]
    records = [{**each, "text": each["text"].replace("\ud800", "")} for each in records]
    selection = zipfit.select(
        records, [records[0]["text"], f"{foreign.replace(chr(0xD800), '')} example"], top=8, check=[records[0]["text"]]
    )
    text, page = page_of(selection, tmp_path / "page.html")
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe]", text)
    if foreign is HOSTILE:
        assert "<script>document.title='taken'</script> &" in page.text
        assert "{{ 7 * 7 }}" in page.text


def test_names_that_no_page_can_hold(tmp_path):
    pool = write_jsonl(tmp_path / "<b>pool\u202e.jsonl", ["one text", "another text", "a third"])
    selection = zipfit.select(pool, ["a text"], min_score=0.0)
    selection.save(tmp_path / "<i>out\u202e.jsonl")
    text, page = page_of(selection, tmp_path / "page.html")
    assert "\u202e" not in text
    assert "<b>pool\ufffd.jsonl" in page.text
    assert re.search(r"min_score\s*0\.0\s", page.text)  # an option that is given is shown, whatever its value
    assert "min_bytes" not in page.text


class Constant:
    """A method without much to say."""

    def __init__(self, value):
        self.value = value

    def fit(self, target, pool=None):
        return self

    def score(self, texts):
        return [self.value] * len(texts)


@pytest.mark.parametrize("method", ["cover", "racing", "random", Constant(1.0), Constant(-np.inf), Constant(1e300)])
@pytest.mark.parametrize("documents", [["one"], ["", "", "", ""], ["x" * 100_000, "short", "", "x"]])
def test_small_pools_and_strange_scores(method, documents, tmp_path):
    selection = zipfit.select(
        documents, ["a text of the target", "another one"], top=4, allow_fewer=True, method=method
    )
    _, page = page_of(selection, tmp_path / "page.html")
    assert f"out of {len(documents)}" in page.text


def test_kept_scores_have_a_page_too(tmp_path):
    pool, target = write_jsonl(tmp_path / "pool.jsonl", pool_records(50)), target_texts()
    write_jsonl(tmp_path / "target.jsonl", target)
    zipfit.score_pool(pool, tmp_path / "target.jsonl", str(tmp_path / "kept"))
    kept = page_of(zipfit.open_scores(str(tmp_path / "kept")).select(top=9), tmp_path / "kept.html")[1]
    direct = page_of(zipfit.select(pool, tmp_path / "target.jsonl", top=9), tmp_path / "direct.html")[1]
    assert kept.text == direct.text


def test_an_example_is_served_by_what_comes_near():
    served = "the theorem says that every bounded sequence of real numbers has a convergent subsequence"
    alone = "select name from singer where age > 20 order by name limit 3"
    pool = [*pool_records(60), {"text": served.replace("real", "complex")}, {"text": alone.replace("20", "30")}]
    selection = zipfit.select(pool, [served], top=1)
    near = nearness(zipfit.select(pool, [served, served, alone], top=1))
    assert [each.by_nothing for each in near.served][:2] == [False, False]
    assert selection.indices.tolist() == [60]
    assert near.served[2].distance > 0.5
    (pair,) = near.pairs
    assert pair.example == 0
    assert max(pair.shared, key=len) in served


@pytest.mark.parametrize(
    ("text", "shared", "pieces"),
    [
        ("abcdef", ["cd"], ["ab", "CD", "ef"]),
        ("abab", ["ab"], ["ABAB"]),
        ("abcde", ["abc", "cde"], ["ABCDE"]),
        ("abc", [], ["abc"]),
        ("", ["x"], []),
        ("0123abcdef", ["def"], ["0123abc", "DE"]),
    ],
)
def test_shared_strings_are_marked_wherever_they_occur(text, shared, pieces):
    found = marked(text, shared, most=9)
    assert [piece.text.upper() if piece.shared else piece.text for piece in found.pieces] == pieces
    assert found.is_cut == (len(text) > 9)


def test_a_page_that_cannot_be_written(chosen, tmp_path):
    page = tmp_path / "page.html"
    page.write_text("precious")
    with pytest.raises(ZipfitError, match="exists already"):
        chosen.report(page)
    with pytest.raises(ZipfitError, match=r"a report is a page of HTML: name it \.html"):
        chosen.report(tmp_path / "page.jsonl")
    assert page.read_text() == "precious"
    chosen.report(page, overwrite=True)
    assert page.read_text().startswith("<!DOCTYPE html>")
    own = write_jsonl(tmp_path / "pool.html", pool_records(9))
    selection = zipfit.select(zipfit.Files([str(own)], format="jsonl"), ["a"], top=1)
    with pytest.raises(ZipfitError, match="is one of the inputs"):
        selection.report(own, overwrite=True)


@pytest.mark.slow
@pytest.mark.parametrize("width", [400, 1400])
def test_a_browser_shows_it(browser, text, width):
    measured, _ = browser(text, width)
    assert measured["inner"] == width
    assert measured["width"] <= width
    assert measured["figures"] == 2
    assert measured["smallest"] >= 11
    assert measured["title"] == "selection · zipfit selection"


# Against other methods


def only(text, name):
    """The part of a page under the heading of another method."""
    return text[text.index(f"<h3><bdi>{name}</bdi></h3>") :].partition("</section>")[0]


def test_what_other_methods_choose(tmp_path):
    pool, target = pool_records(300), target_texts(20)
    selection = zipfit.select(pool, target, top=30, against=["random,seed=3", "zipfit"])
    text, page = page_of(selection, tmp_path / "page.html")
    same, other = only(text, "zipfit"), only(text, "random,seed=3")
    assert "30 documents, of which this selection has 30 (100%) too. 0 of this selection" in same
    assert "The first documents of" not in same
    drawn = zipfit.select(pool, target, top=30, method="random", options={"seed": 3})
    texts = set(selection.texts)
    shared = sum(each in texts for each in drawn.texts)
    assert f"30 documents, of which this selection has {shared} ({shared / 30:.0%}) too" in other
    first = next(each for each in drawn.texts if each not in texts)
    assert " ".join(first.split())[:40] in page.text
    counted = [int(number) for number in re.findall(r'<td class="n"><bdi>(\d+)</bdi>', other)]
    assert sum(counted[:4]) >= 20
    assert "What other methods choose" in page.text
    assert page.tags.count("h2") == 9


def test_other_methods_are_asked_later_too(tmp_path):
    pool, target = (
        write_jsonl(tmp_path / "pool.jsonl", pool_records(80)),
        write_jsonl(tmp_path / "t.jsonl", target_texts(9)),
    )
    before = zipfit.select(pool, target, top=9, against="cover,unit=word")
    after = zipfit.select(pool, target, top=9)
    before.report(tmp_path / "before.html")
    after.report(tmp_path / "after.html", against="cover,unit=word")
    zipfit.score_pool(pool, target, str(tmp_path / "kept"))
    zipfit.open_scores(str(tmp_path / "kept")).select(top=9, against="cover,unit=word").report(tmp_path / "kept.html")
    pages = [(tmp_path / f"{name}.html").read_text("utf-8") for name in ("before", "after", "kept")]
    assert pages[0] == pages[1]
    assert only(pages[0], "cover,unit=word") == only(pages[2], "cover,unit=word")
    assert (
        before.rivals[0].cut.indices.tolist()
        == zipfit.select(pool, target, top=9, method="cover", options={"unit": "word"}).indices.tolist()
    )


def test_the_other_goes_by_the_same_budget_and_rules(tmp_path):
    records = [*pool_records(60), *pool_records(60)]
    near = zipfit.select(records, target_texts(5), min_score=0.1, dedup="exact", min_bytes=40, against="random")
    (rival,) = near.rivals
    assert len(rival.cut.indices) == len(near)  # a score of another method means something else
    lengths = near.ranking.sources.pool.facts.lengths[rival.cut.indices]
    assert lengths.min() >= 40
    hashes = near.ranking.sources.pool.facts.hashes[rival.cut.indices]
    assert len(set(hashes.tolist())) == len(hashes)
    near.report(tmp_path / "page.html")


def test_a_method_that_chooses_nothing_is_said(tmp_path):
    pool = ["short one", "a far longer text than the budget of tokens allows " * 3, "another short one"]
    longest = Longest()
    selection = zipfit.select(pool, ["short"], tokens=20, tokenizer="bytes", against={"longest <first>": longest})
    assert len(selection.rivals[0].cut.indices) == 0
    _, page = page_of(selection, tmp_path / "page.html")
    assert "longest <first> chooses nothing by this budget and these rules." in page.text


class Longest:
    """A method that says how much it has scored."""

    def __init__(self):
        self.scored = 0

    def fit(self, target, pool=None):
        return self

    def score(self, texts):
        self.scored += len(texts)
        return [len(text) for text in texts]


def test_what_is_wrong_with_another_method_is_known_first(chosen, tmp_path):
    missing = "no such file"
    for against, said in (
        ("covr", "unknown method 'covr'"),
        ("cover,colour=red", "has no option 'colour'"),
        ({"mine": object()}, "object is no method"),
        (3, "against takes names of methods, or objects by name, not 3"),
        ([Longest()], "against takes names of methods"),
    ):
        with pytest.raises(ZipfitError, match=said):
            zipfit.select(missing, missing, top=1, against=against)
        with pytest.raises(ZipfitError, match=said):
            chosen.report(tmp_path / "page.html", against=against)
    own = Longest()
    with pytest.raises(ZipfitError, match="cover's unit must be one of"):
        zipfit.select(["a", "b"], ["a"], top=1, method=own, against="cover,unit=page")
    assert own.scored == 0
    assert not (tmp_path / "page.html").exists()
