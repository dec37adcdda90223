from __future__ import annotations

import hashlib
import html
import json
import os
import re
import shutil

import pytest
from support import Page, needs_nothing_but_itself
from synthetic_results import FEW, HOSTILE, arm, write_json, write_results, write_rich_results

pytest.importorskip("matplotlib")
pytest.importorskip("scipy")

from zipfit.errors import ZipfitError
from zipfit.report.statistics import main_arms
from zipfit.report.study import write_report
from zipfit.report.tables import (
    arms_table,
    cell_rows,
    describe_arm,
    failed_table,
    loss_rows,
    methods_table,
    missing_table,
    selection_rows,
    top_documents,
)
from zipfit.report.verdict import verdict
from zipfit.study.results import load_results


def files(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def rows(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def rich(tmp_path_factory):
    folder = write_rich_results(tmp_path_factory.mktemp("rich"), text=HOSTILE)
    assert write_report(folder) == folder / "report.html"
    return folder


@pytest.fixture(scope="module")
def text(rich):
    return (rich / "report.html").read_text("utf-8")


@pytest.fixture(scope="module")
def page(text):
    return Page(text)


def small(folder, **changes):
    return write_results(folder, **{"arms": FEW, "budgets": (20_000,), "seeds": (0, 1), **changes})


# The page


def test_the_page_needs_nothing_but_itself(text):
    page = needs_nothing_but_itself(text)
    assert "http:" not in text
    assert "https:" not in text
    assert set(re.findall(r"url\(#([^)]*)\)", text)) <= set(page.ids)
    assert text.count("<svg ") == 15
    assert text.count('role="img" aria-label="') == 15


def test_a_line_says_its_name(text, rich):
    names = {arm.name for arm in load_results(rich).arms}
    said = re.findall(r'<g id="[^"]*-arm-[0-9a-f]*"><title>([^<]*)</title><path [^>]* class="reach"/><path ', text)
    assert {html.unescape(name) for name in said} & names >= {"cover", "random", "target", "zipfit"}
    assert text.count('class="reach"') == len(said) > 20


def test_the_verdict_stands_first(page, text):
    assert "cover selects best: test loss 2.298 ± 0.008 after 80,000 tokens." in page.text
    assert page.text.index("cover selects best") < page.text.index("Test loss along training")
    assert "of the gap between random choice and training on the target itself" in page.text
    assert re.search(
        r"ZIP-FIT \(zipfit\) comes in at 2\.373 ± 0\.003, place \d+ of 20 selections; it beats random", page.text
    )
    assert "The best of 20 selections was picked on the test set that it is reported on." in page.text


def test_what_is_missing_is_said(page):
    assert "314 of 318 cells finished" in page.text
    assert "2 failed, 2 not run yet" in page.text
    assert "The loss of a training step is no number (NaN) after 40,960 tokens" in page.text
    assert "Out of memory: a batch of 4 blocks" in page.text
    assert "Cells not run yet" in page.text


def test_hostile_texts_are_only_texts(tmp_path):
    names = [HOSTILE, "lone \ud800 \u202e", "random"]
    arms = [arm(name, method=method) for name, method in zip(names, ("zipfit", "dsir", "random"), strict=True)]
    folder = small(tmp_path, arms=arms, name=HOSTILE, text=HOSTILE + " \ud800\x00")
    study = json.loads((folder / "study.json").read_text())
    study["study"]["description"] = HOSTILE
    study["study"]["models"] = [{"name": "smollm2", "label": HOSTILE}]
    write_json(folder / "study.json", study)
    text = write_report(folder).read_text("utf-8")
    page = Page(text)
    assert page.tags.count("script") == 1
    assert page.tags.count("title") == 1 + text.count('class="reach"')
    assert page.text.count(HOSTILE) > 20  # title, heading, tables, twenty documents
    rows(folder / "selections.jsonl")


def test_a_description_may_have_several_lines(tmp_path):
    folder = small(tmp_path)
    study = json.loads((folder / "study.json").read_text())
    study["study"]["description"] = "Which selection is best?\nAnd by how much?\n"
    write_json(folder / "study.json", study)
    assert '<p class="lead">Which selection is best?\nAnd by how much?\n</p>' in write_report(folder).read_text("utf-8")


def test_the_settings_stand_on_the_page(page):
    for said in (
        "af_pool.jsonl.zst",
        "proofnet_test.jsonl",
        "learning rate",
        "0.0001",
        "2.13.0",
        "cpu",
        "chosen by zipfit (level 9)",
    ):
        assert said in page.text
    assert "random documents of the lengths of zipfit's" in page.text
    assert "186 documents, 25,113 tokens, 61,040 bytes" in page.text


def test_a_figure_that_is_not_there_has_no_place(tmp_path):
    page = Page(write_report(small(tmp_path)).read_text("utf-8"))
    assert "Compressor and level" not in page.text
    assert "What is not in the figures" not in page.text
    assert "8 of 8 cells finished." in page.text
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {
        f"{name}.{kind}"
        for name in ("loss_against_tokens", "spread_over_seeds", "loss_against_alignment_of_all", "time_against_loss")
        for kind in ("png", "svg")
    }


def test_a_study_that_has_not_begun_has_a_report(tmp_path):
    absent = [(item["name"], 20_000, seed) for item in FEW for seed in (0, 1)]
    page = Page(write_report(small(tmp_path, absent=absent)).read_text("utf-8"))
    assert "No cell has finished yet." in page.text
    assert "0 of 8 cells finished" in page.text


def test_each_model_has_its_own(tmp_path):
    folder = small(tmp_path, models=("smollm2", "org/Big model"))
    text = write_report(folder).read_text("utf-8")
    page = Page(text)
    assert len(page.ids) == len(set(page.ids))
    assert "org/Big model" in page.text
    names = {path.name for path in (folder / "figures").iterdir()}
    assert {"loss_against_tokens-1-smollm2.svg", "loss_against_tokens-2-org-big-model.png"} <= names
    assert text.count("<svg ") == 8


# The files


def test_the_same_results_give_the_same_bytes(tmp_path):
    folder = small(tmp_path)
    write_report(folder)
    before = files(folder)
    write_report(folder)
    assert files(folder) == before
    other = tmp_path / "moved"
    shutil.copytree(folder, other, ignore=shutil.ignore_patterns("figures", "*.html", "*.jsonl", "moved"))
    write_report(other)
    assert files(other) == before


def test_figures_of_an_earlier_report_are_removed(tmp_path):
    folder = small(tmp_path)
    (folder / "figures").mkdir()
    old = {"loss_by_dataset.png", "loss_by_dataset-2-gone.svg", "loss_against_tokens_160000.png"}
    for name in (*old, "mine.png", "loss_by_dataset_mine.png"):
        (folder / "figures" / name).write_bytes(b"")
    write_report(folder)
    left = {path.name for path in (folder / "figures").iterdir()}
    assert {"mine.png", "loss_by_dataset_mine.png"} <= left
    assert not old & left


def test_the_rows_are_the_cells(rich):
    results = load_results(rich)
    cells = rows(rich / "cells.jsonl")
    assert [row["key"] for row in cells] == [cell.key for cell in results.cells]
    assert all(not isinstance(value, (dict, list)) for row in cells for value in row.values())
    assert cells[0]["settings.block_size"] == 256
    assert [row["final_loss"] for row in cells if row["status"] == "done"] == [
        c.loss for c in results.cells if c.is_done
    ]
    losses = rows(rich / "losses.jsonl")
    for cell in results.cells[:5]:
        own = [(row["tokens"], row["loss"]) for row in losses if row["key"] == cell.key and row["split"] == "test"]
        assert own == [(loss.tokens, loss.loss) for loss in cell.losses]
    selected = rows(rich / "selections.jsonl")
    assert [row["rank"] for row in selected[:20]] == list(range(1, 21))
    assert {row["selection"] for row in selected} == set(results.selections)
    assert not any("text" in row for row in selected)


def test_the_tables_as_markdown(rich, tmp_path):
    text = (rich / "tables.md").read_text("utf-8")
    table = methods_table(load_results(rich), "smollm2", 80_000, main_arms(load_results(rich)))
    assert f"## {table.title}\n" in text
    start = load_results(rich).done("zipfit", "smollm2", 80_000)[0].losses[0]
    assert f"Before training: {start.loss:.3f} nats a token." in text
    tables = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    assert tables[0].count("\n") == len(table.rows) + 2
    for lines in tables:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines.splitlines()}) == 1

    write_report(small(tmp_path, arms=[*FEW, arm("a|b*c")]))
    assert "| a\\|b\\*c |" in (tmp_path / "tables.md").read_text("utf-8")


def test_a_report_that_cannot_be_written(tmp_path):
    with pytest.raises(ZipfitError, match="is no results folder"):
        write_report(tmp_path)
    folder = small(tmp_path)
    (folder / "figures").write_text("in the way")
    with pytest.raises(ZipfitError, match="figures: cannot be made"):
        write_report(folder)


# What it says


def said(tmp_path, **changes):
    return verdict(load_results(small(tmp_path, **changes)), "smollm2")


def test_when_zipfit_loses_it_is_said(tmp_path):
    found = said(tmp_path, gains={"zipfit": 0.2, "dsir": 0.9})
    assert found.headline.startswith("dsir selects best")
    assert re.search(
        r"ZIP-FIT \(zipfit\) .* place 2 of 2 selections; it loses to random choice by \d", " ".join(found.sentences)
    )
    assert "closes nothing of the gap" in " ".join(found.sentences)


def test_when_every_selection_loses_it_is_said(tmp_path):
    found = said(tmp_path, gains={"zipfit": 0.2, "dsir": 0.3})
    assert found.headline.startswith("No selection beats random choice: the best, dsir, ends at ")
    assert "it is lower in 0 of 2 seeds" in found.sentences[0]
    assert ("never", "as low as random choice gets") in found.facts
    assert "closes nothing of the gap" in found.sentences[1]


def test_when_the_target_is_no_yardstick_it_is_said(tmp_path):
    found = said(tmp_path, gains={"target": 0.1})
    assert any("no gap to close" in sentence for sentence in found.sentences)
    assert not any("gap" in what for _, what in found.facts)
    results = load_results(tmp_path)
    for arms in (results.arms, [results.arm("zipfit")]):  # also where the target itself is not in the table
        table = methods_table(results, "smollm2", results.main_budget("smollm2", results.arms), arms)
        assert "Gap closed" not in [title for title, _ in table.columns]
        assert table.caption.endswith(
            "Training on the target itself is no better than random choice here, so there is no gap to close."
        )


def test_one_seed_is_no_spread(tmp_path):
    found = said(tmp_path, seeds=(0,))
    assert "A single seed says nothing of the spread." in found.sentences
    assert "±" not in found.headline


def test_a_lead_that_a_seed_denies_is_not_safe(tmp_path):
    folder = small(tmp_path)
    for path in (folder / "cells").iterdir():
        record = json.loads(path.read_text())
        if record["arm"] in ("zipfit", "dsir"):
            record["losses"][-1]["loss"] = {"zipfit": [2.0, 2.0], "dsir": [1.99, 2.05]}[record["arm"]][record["seed"]]
        write_json(path, record)
    found = verdict(load_results(folder), "smollm2")
    assert (
        "dsir comes next, 0.020 behind seed by seed; zipfit is ahead in 1 of 2 seeds, so that lead is not safe."
        in found.sentences
    )


def test_an_overlap_with_the_test_set_is_said(tmp_path):
    found = said(tmp_path, gains={"dsir": 0.9})  # the builder's dsir shares 13-grams with 3 test documents
    wanted = "Its training documents hold 0 test documents whole and 13-grams of 3, so its loss may flatter it."
    assert wanted in found.sentences
    (tmp_path / "other").mkdir()
    assert wanted not in said(tmp_path / "other", gains={"zipfit": 0.9}).sentences


def test_a_study_under_way_is_judged_with_care(tmp_path):
    absent = [(name, 20_000, seed) for name in ("zipfit", "dsir") for seed in (0, 1)]
    assert said(tmp_path, absent=absent).headline == "No selection has finished yet."
    (tmp_path / "more").mkdir()
    found = said(tmp_path / "more", absent=[("dsir", 20_000, 1), ("target", 20_000, 0)], gains={"dsir": 0.9})
    assert "Not every arm has finished the same seeds, so their means are not of the same runs." in found.sentences
    assert not any("gap" in sentence for sentence in found.sentences[:2])  # dsir's seed is not the target's


def test_a_study_of_labels_is_judged_by_alignment(tmp_path):
    arms = [arm(f"s label={n}", "s", swept={"label": n}, label=n) for n in ("c4", "mma", "gutenberg", "lean4-putnam")]
    found = said(tmp_path, arms=[*arms, FEW[2]])
    assert found.headline == "Better aligned sources end lower, over 4 source labels."
    assert found.facts[0][1] == "R² of alignment and loss"


def test_the_table_of_methods(rich):
    results = load_results(rich)
    table = methods_table(results, "smollm2", 80_000, results.arms)
    heads = [title for title, _ in table.columns]
    assert heads[:8] == [
        "Arm",
        "Test loss",
        "Against random",
        "Gap closed",
        "Bits a byte",
        "pass@1",
        "pass@10",
        "Time to select",
    ]
    assert heads[8:] == ["Documents", "Tokens", "Mean bytes", "Alignment", "Test overlap", "Seeds"]
    by_name = {row[0]: dict(zip(heads, row, strict=True)) for row in table.rows}
    assert next(iter(by_name)) == "target"
    losses = [float(mean) for mean, _ in (row["Test loss"] for row in by_name.values())]
    assert losses == sorted(losses)
    assert by_name["dsir"]["Test overlap"] == "0 / 3"
    assert by_name["d4"]["Seeds"] == "2"
    assert by_name["random"]["Gap closed"] == by_name["everything"]["Gap closed"] == "–"
    assert "13-grams" in table.caption
    bare = methods_table(results, "smollm2", 80_000, [results.arm("target")])
    assert "Gap closed" not in [title for title, _ in bare.columns]
    assert "Gap closed" not in bare.caption
    assert methods_table(results, "smollm2", 123, []) is None


def test_top_documents(rich):
    results = load_results(rich)
    tables = top_documents(results, "smollm2")
    assert [table.title for table in tables] == ["zipfit", "dsir", "cover"]
    assert [len(table.rows) for table in tables] == [20, 20, 20]
    assert tables[0].rows[0][:4] == ("1", "0.3950", "0.346", "lean4-putnam")
    assert html.escape(HOSTILE) not in tables[0].rows[0][4]
    assert tables[0].rows[0][4].startswith(HOSTILE)


def test_top_documents_without_their_texts(tmp_path):
    folder = small(tmp_path)
    for path in (folder / "selections").iterdir():
        record = json.loads(path.read_text())
        record["top"] = [{k: v for k, v in row.items() if k != "text"} for row in record["top"]]
        write_json(path, record)
    (table, *_) = top_documents(load_results(folder), "smollm2")
    assert [title for title, _ in table.columns] == ["Rank", "Score", "Alignment", "Source"]
    assert len(table.rows[0]) == 4
    assert table.caption.endswith("the source label (their texts were not published).")
    shutil.rmtree(folder / "selections")
    assert top_documents(load_results(folder), "smollm2") == []
    assert "begin with" not in write_report(folder).read_text("utf-8")


def test_failed_and_missing_tables(rich, tmp_path):
    results = load_results(rich)
    assert [row[:4] for row in failed_table(results).rows] == [
        ("d4", "80,000", "smollm2", "2"),
        ("embedding", "20,000", "smollm2", "1"),
    ]
    assert missing_table(results).rows == (("gain", "smollm2", "40,000", "2"), ("lengths", "smollm2", "20,000", "0"))
    whole = load_results(small(tmp_path))
    assert failed_table(whole) is missing_table(whole) is None
    assert len(arms_table(whole).rows) == 4
    assert describe_arm(results.arm("everything")) == "the whole source, in an order drawn by the seed"


@pytest.mark.parametrize("name", ["pass_at", "overlap", "bits_per_byte", "made", "test", "settings", "alignment"])
def test_a_cell_may_lack_what_was_not_measured(tmp_path, name):
    folder = small(tmp_path)
    for path in (folder / "cells").iterdir():
        record = json.loads(path.read_text())
        record[name] = None
        record["losses"] = [{k: v for k, v in loss.items() if k != name} for loss in record["losses"]]
        write_json(path, record)
    results = load_results(folder)
    verdict(results, "smollm2")
    assert methods_table(results, "smollm2", 20_000, results.arms) is not None
    assert list(cell_rows(results))
    assert list(loss_rows(results))
    assert list(selection_rows(results))


# In a browser


@pytest.mark.slow
@pytest.mark.parametrize("width", [320, 360, 960, 1280])
def test_a_browser_shows_it(browser, text, width):
    from PIL import Image

    measured, shot = browser(text, width)
    assert measured["inner"] == width
    assert measured["width"] <= width  # nothing makes the page scroll sideways
    assert measured["figures"] == text.count("<svg ") > 0
    assert measured["height"] > 3000
    assert measured["smallest"] >= 11  # pixels: letters that can be read
    assert measured["title"] == "ProofNet out of the AutoFormalization pool · zipfit study"  # no script has run

    with Image.open(shot) as image:
        seen = image.convert("RGB").crop((0, 0, width, 1500))
    colours = seen.getcolors(maxcolors=1 << 24)
    assert len(colours) > 200
    assert max(count for count, _ in colours) < 0.9 * width * 1500  # not blank
    assert os.path.getsize(shot) > 20_000
