from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console
from support import pool_records, target_texts, write_jsonl

import zipfit
from zipfit.report.summary import _said as edges_said
from zipfit.report.summary import first_line, print_summary, summarise


def printed(records, tmp_path, width=80, **arguments):
    chosen = zipfit.select(records, target_texts(), **arguments)
    summary = summarise(chosen, chosen.save(tmp_path / "out.jsonl", overwrite=True))
    stream = io.StringIO()
    print_summary(summary, Console(file=stream, width=width))
    return summary, stream.getvalue()


def test_says_what_there_is_to_say(tmp_path):
    summary, text = printed(pool_records(), tmp_path, top=10, tokenizer="bytes")
    assert text.startswith("10 of 40 documents selected (25.00%; ")
    assert f"{summary['selection']['tokens']:,} tokens" in text
    assert f"scores from {summary['selection']['best_score']:.4g} to" in text
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
    assert "2 duplicates in the pool, 1 of them chosen (--dedup exact leaves them out); 1 empty documents" in " ".join(
        text.split()
    )
    _, text = printed(["tie", "tie", "tie", ""], tmp_path, top=1, dedup="exact")
    assert "2 duplicates in the pool; 1 empty documents" in text


def test_small_scores_are_told_apart(tmp_path):
    class Small:
        def fit(self, target, pool=None):
            return self

        def score(self, texts):
            return [len(text) * 1.5e-6 for text in texts]

    documents = ["a" * length for length in range(1, 41)]
    _, text = printed(documents, tmp_path, top=10, method=Small())
    assert "scores from 6e-05 to 4.65e-05 at the cut" in text
    low = [line.split()[0] for line in text.splitlines() if " of " in line and ("█" in line or "░" in line)]
    assert len(set(low)) == len(low) == 12
    assert low[0] == "0.0000015"


@pytest.mark.parametrize(
    ("edges", "said"),
    [
        ([0.25, 0.3, 0.35], ["0.250", "0.300", "0.350"]), ([-0.1, -1e-17, 0.1], ["-0.100", "0.000", "0.100"]),
        ([1e-5, 1.2e-5, 1.4e-5], ["0.0000100", "0.0000120", "0.0000140"]), ([1e-12, 2e-12, 3e-12], ["1e-12", "2e-12", "3e-12"]),
        ([0.0, 5e-324, 1e-323], ["0", "4.94e-324", "9.88e-324"]), ([-1e308, np.inf, np.inf], ["-1e+308", "inf", "inf"]),
        ([1e-5, 1.00001], ["1e-05", "1"]),
    ],
)  # fmt: skip
def test_edges_of_bins(edges, said):
    assert edges_said(edges) == said


def test_bad_records_are_counted_with_their_commonest_reason(tmp_path):
    documents = [{"text": None}, {"text": 5}, {"text": None}, *pool_records()]
    summary, text = printed(documents, tmp_path, 200, top=2, skip_bad=True)
    reason = "field 'text' is null, not text"
    assert (summary["skipped"], summary["skipped_most"]) == (3, {"reason": reason, "records": 2})
    assert f"3 bad records skipped (2 of them: {reason}); all are in {tmp_path}/out.jsonl.rejected.jsonl" in text
    _, text = printed(documents[::2], tmp_path, 200, top=2, skip_bad=True)
    assert f"\n2 bad records skipped ({reason}); all are in " in text
    summary, text = printed(pool_records(), tmp_path, top=2, skip_bad=True)
    assert (summary["skipped"], summary["skipped_most"]) == (0, None)
    assert "skipped" not in text


def test_the_seconds_of_kept_scores_are_told_apart(tmp_path):
    write_jsonl(tmp_path / "pool.jsonl", pool_records())
    write_jsonl(tmp_path / "target.jsonl", target_texts())
    zipfit.score_pool(str(tmp_path / "pool.jsonl"), str(tmp_path / "target.jsonl"), tmp_path / "kept")
    chosen = zipfit.open_scores(tmp_path / "kept").select(top=5)
    summary = summarise(chosen, chosen.save(tmp_path / "out.jsonl"))
    summary["seconds"] = {"score": 29.9, "cut": 0.25, "write": 0.15}
    summary["scored_in"] = 29.9
    stream = io.StringIO()
    print_summary(summary, Console(file=stream, width=200))
    assert stream.getvalue().endswith("out.jsonl in 0.4 s; the scores took 29.9 s\n")
    seconds = chosen.manifest["seconds"]
    made = summarise(chosen, chosen.save(tmp_path / "again.jsonl"))["scored_in"]
    assert made == pytest.approx(sum(each for name, each in seconds.items() if name not in ("cut", "write")), abs=1e-3)


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
