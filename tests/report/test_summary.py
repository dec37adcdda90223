from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console
from support import pool_records, target_texts

import zipfit
from zipfit.report.summary import first_line, print_summary, summarise


def printed(records, tmp_path, width=80, **arguments):
    chosen = zipfit.select(records, target_texts(), **arguments)
    summary = summarise(chosen, chosen.save(tmp_path / "out.jsonl"))
    stream = io.StringIO()
    print_summary(summary, Console(file=stream, width=width))
    return summary, stream.getvalue()


def test_says_what_there_is_to_say(tmp_path):
    summary, text = printed(pool_records(), tmp_path, top=10, tokenizer="bytes")
    assert text.startswith("10 of 40 documents selected (25.00%; ")
    assert f"{summary['selection']['tokens']:,} tokens" in text
    assert f"scores from {summary['selection']['best_score']:.4f} to" in text
    assert "of selection" in text
    assert "books" in text
    assert "nearest the cut" in text
    assert sum(row["selected"] for row in summary["labels"]) == 10
    assert sum(row["share_of_selection"] for row in summary["labels"]) == pytest.approx(1)
    assert sum(summary["scores"]["pool"]) == 40
    assert sum(summary["scores"]["selected"]) == 10
    assert [row["rank"] for row in summary["examples"]["best"]] == [1, 2, 3]
    assert [row["rank"] for row in summary["examples"]["nearest_the_cut"]] == [8, 9, 10]


@pytest.mark.parametrize("width", [80, 120])
def test_no_line_is_wider_than_the_terminal(tmp_path, width):
    records = [
        {"text": f"[red]{'数' * 200}[/] {i}\x1b[31m", "source": f"[bold]{'long label ' * 30}{i % 30}"}
        for i in range(60)
    ]
    _, text = printed(records, tmp_path, width, fraction=0.9)
    assert max(map(len, text.splitlines())) <= width
    assert "\x1b" not in text
    assert "[red]" in text


@pytest.mark.parametrize("top", [1, 2, 4, 40])
def test_small_selections_and_whole_pools(tmp_path, top):
    summary, _ = printed(pool_records(), tmp_path, top=top)
    best, nearest = summary["examples"]["best"], summary["examples"]["nearest_the_cut"]
    assert [row["rank"] for row in best] == list(range(1, min(3, top) + 1))
    assert [row["rank"] for row in nearest] == list(range(max(3, top - 3) + 1, top + 1))


def test_ties_duplicates_and_empty_documents(tmp_path):
    _, text = printed(["tie", "tie", "tie", ""], tmp_path, top=2)
    assert "where 3 documents tie: the first 2 in source order were taken" in " ".join(text.split())
    assert "2 duplicates in the pool; 1 empty documents" in text


class Infinite:
    def fit(self, target, pool=None):
        return self

    def score(self, texts):
        return np.array([np.inf if len(text) > 3 else -np.inf for text in texts])


def test_scores_that_are_infinite(tmp_path):
    summary, text = printed(["abcd", "a"], tmp_path, top=2, method=Infinite())
    assert "scores from inf to -inf at the cut" in text
    assert sum(summary["scores"]["pool"]) == 0


@pytest.mark.parametrize(
    ("text", "line"),
    [("", ""), ("\n \n  a  \nb", "a"), ("x" * 97, "x" * 95 + "…"), ("a\x1b[31mb\x00\tc", "a [31mb  c"), ("é🎲", "é🎲")],
)
def test_the_first_line_that_says_anything(text, line):
    assert first_line(text) == line
