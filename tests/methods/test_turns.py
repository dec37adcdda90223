"""Methods that take turns, against the lists of the methods alone."""

from __future__ import annotations

import itertools

import pytest
from pools import MemoryPool
from support import pool_records, target_texts

import zipfit
from zipfit.errors import ZipfitError
from zipfit.methods.base import Reach
from zipfit.methods.registry import need_consent
from zipfit.methods.turns import Turns
from zipfit.methods.within import method_of, ranked

TEXTS = [record["text"] for record in pool_records(60)]
TARGET = target_texts(5)


def alone(name, seed=None):
    return list(ranked(method_of(name, seed).fit(TARGET, MemoryPool(TEXTS)), MemoryPool(TEXTS), Reach()))


def by_turns(rankings):
    """The definition, round by round over whole lists."""
    queues, order = [list(ranking) for ranking in rankings], []
    while any(queues):
        for queue in queues:
            while queue and queue[0][0] in {position for position, _ in order}:
                queue.pop(0)
            if queue:
                order.append(queue.pop(0))
    return order


@pytest.mark.parametrize(
    "methods",
    [
        "cover and gain",
        "gain and cover",
        "cover and cover",
        "zipfit,reduce=round-robin and dsir and random,seed=3",
        "mmr within gain:0.2 and cover,unit=word,orders=1,2 within zipfit:0.5 within gain:0.5 and racing",
    ],
)
def test_turns_are_those_of_the_lists(methods):
    turns = Turns(methods).fit(TARGET, MemoryPool(TEXTS))
    expected = by_turns(map(alone, methods.split(" and ")))
    assert list(turns.rank(MemoryPool(TEXTS))) == expected
    assert list(itertools.islice(turns.rank(MemoryPool(TEXTS)), 7)) == expected[:7]


def test_of_a_method_that_ranks_a_part_the_others_go_on():
    assert len(by_turns([alone("mmr within gain:0.1"), alone("cover within zipfit:0.2")])) < len(TEXTS)
    turns = Turns("mmr within gain:0.1 and zipfit").fit(TARGET, MemoryPool(TEXTS))
    assert sorted(position for position, _ in turns.rank(MemoryPool(TEXTS))) == list(range(len(TEXTS)))


def test_the_seed_goes_to_the_methods_that_draw_and_have_none():
    def order(methods, seed):
        turns = Turns(methods, seed).fit(TARGET, MemoryPool(TEXTS))
        return list(turns.rank(MemoryPool(TEXTS)))

    assert order("cover and random", 3) == by_turns([alone("cover"), alone("random", 3)])
    assert order("cover and random", 3) != order("cover and random", 4)
    assert order("cover and random,seed=5", 3) == order("cover and random,seed=5", 4)
    assert order("cover and zipfit within random:0.5", 3) != order("cover and zipfit within random:0.5", 4)


def test_a_selection_is_made_again_by_its_manifest_and_by_any_number_of_threads(tmp_path):
    options = {"methods": "cover,weights=contrast and zipfit"}
    chosen = zipfit.select(TEXTS, TARGET, top=9, method="turns", options=options, threads=1)
    again = zipfit.select(TEXTS, TARGET, top=9, method="turns", options=options, threads=3)
    assert chosen.indices.tolist() == again.indices.tolist()
    assert chosen.scores.tolist() == again.scores.tolist()
    saved = chosen.save(tmp_path / "a.jsonl")
    assert saved["method"]["options"] == {**options, "seed": 0}
    assert saved["method"]["engine"]
    assert len(saved["method"]["notes"]["turns"]) == 2


@pytest.mark.parametrize(
    ("methods", "reason"),
    [
        ("cover", "turns needs two methods at least, as in 'cover and embedding', not 'cover'"),
        ("", "turns needs two methods at least"),
        ("cover and ", "unknown method ''"),
        ("cover and fog", "unknown method 'fog'"),
        ("cover and zipfit,depth=1", "method 'zipfit' has no option 'depth'"),
        ("cover and zipfit within gain", "write METHOD:SHARE"),
    ],
)
def test_mistakes(methods, reason):
    with pytest.raises(ZipfitError, match=reason):
        Turns(methods).fit(TARGET, MemoryPool(TEXTS))


def test_a_negative_seed_is_refused():
    with pytest.raises(ZipfitError, match="seed must be at least 0, not -1"):
        Turns("cover and gain", -1).fit(TARGET, MemoryPool(TEXTS))


@pytest.mark.parametrize("name", ["turns", "zipfit.methods.turns:Turns", "distilled"])
@pytest.mark.parametrize(
    "text", ["cover and mine:Own", "mine:Own,depth=2 and gain", "cover and gain within mine:Own:0.5"]
)
def test_a_strangers_method_among_them_needs_consent(name, text):
    option = "teacher" if name == "distilled" else "methods"
    with pytest.raises(ZipfitError, match="would run the code of the module mine"):
        need_consent(name, [], {option: text})
    need_consent(name, ["mine"], {option: text})


def test_the_preview_compares_a_list_of_methods():
    method = method_of("cover,unit=word and gain within zipfit:0.5")
    assert method == Turns("cover,unit=word and gain within zipfit:0.5")
    inner = method_of("turns,methods=cover and gain within zipfit:0.5")
    assert inner.method == Turns("cover and gain")
