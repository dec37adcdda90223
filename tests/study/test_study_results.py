from __future__ import annotations

import json
import math
import shutil

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from synthetic_results import FEW, MAIN_ARMS, arm, write_json, write_results, write_rich_results

from zipfit.errors import ZipfitError
from zipfit.report.statistics import (
    Curve,
    best_selection,
    gap_closed,
    loss_curve,
    main_arms,
    random_arm,
    regress,
    speedup,
    standings,
    target_arm,
    tokens_to_reach,
)
from zipfit.report.tables import (
    arms_table,
    cell_rows,
    failed_table,
    loss_rows,
    methods_table,
    missing_table,
    selection_rows,
    top_documents,
)
from zipfit.study.results import load_results


@pytest.fixture(scope="module")
def rich(tmp_path_factory):
    return load_results(write_rich_results(tmp_path_factory.mktemp("rich")))


@pytest.fixture
def small(tmp_path):
    return write_results(tmp_path, arms=FEW, budgets=(20_000,), seeds=(0, 1))


def a_cell(folder, name="zipfit"):
    """A cell's file of an arm, and what it holds."""
    for path in sorted((folder / "cells").iterdir()):
        record = json.loads(path.read_text())
        if record["arm"] == name:
            return path, record
    raise AssertionError(name)


def test_a_whole_study_is_read(rich):
    assert len(rich.places) == 35 * 3 * 3 + 3  # the arm `everything` has a budget of its own
    assert len(rich.cells) == len(rich.places) - 2
    assert [(cell.arm, cell.budget, cell.seed) for cell in rich.failed] == [("d4", 80_000, 2), ("embedding", 20_000, 1)]
    assert "NaN" in rich.failed[0].error
    assert [(place.arm, place.budget, place.seed) for place in rich.missing] == [
        ("gain", 40_000, 2),
        ("lengths", 20_000, 0),
    ]
    assert rich.left_out == 0
    assert [a.name for a in rich.arms][:5] == ["zipfit", "zipfit-gzip1", "zipfit-gzip9", "zipfit-lz4", "dsir"]
    order = {name: index for index, name in enumerate(a.name for a in rich.arms)}
    assert [order[cell.arm] for cell in rich.cells] == sorted(order[cell.arm] for cell in rich.cells)
    assert [cell.seed for cell in rich.done("zipfit", "smollm2", 40_000)] == [0, 1, 2]
    assert all(cell.selection in rich.selections for cell in rich.cells if rich.arm(cell.arm).is_selection)


def test_which_arms_are_what(rich):
    names = {name: {a.name for a in rich.arms if getattr(a, name)} for name in ("is_selection", "is_random")}
    assert names["is_random"] == {"random"}
    assert {"zipfit", "cover", "above min_score=0.1", "small target_size=null"} <= names["is_selection"]
    assert names["is_selection"].isdisjoint({"random", "target", "everything", "lengths", "sources label=c4"})
    assert (random_arm(rich).name, target_arm(rich).name) == ("random", "target")
    assert [a.name for a in main_arms(rich)] == [a["name"] for a in MAIN_ARMS] + ["everything"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"losses": []}, "losses is empty"),
        ({"losses": None}, "losses must be a list, not missing"),
        ({"losses": [{"tokens": 0}]}, "losses[0].loss must be a finite number, not missing"),
        ({"losses": [{"tokens": 0, "loss": math.nan}]}, "losses[0].loss must be a finite number"),
        ({"losses": [{"tokens": 0, "loss": math.inf}]}, "losses[0].loss must be a finite number"),
        ({"losses": [{"tokens": 0, "loss": "2.5"}]}, 'losses[0].loss must be a finite number, not "2.5"'),
        ({"losses": [{"tokens": True, "loss": 2.5}]}, "losses[0].tokens must be a whole number"),
        ({"losses": [{"tokens": 9, "loss": 2.5}, {"tokens": 8, "loss": 2.4}]}, "not in the order of their tokens"),
        ({"losses": [3]}, "losses[0] must be an object"),
        ({"arm": None}, "arm must be text, not missing"),
        ({"seed": "0"}, "seed must be a whole number"),
        ({"status": "running"}, "status must be done or failed, not 'running'"),
        ({"key": "0" * 16}, "which is not its name"),
        ({"format": 2}, "has format 2; this zipfit reads format 1"),
        ({"humaneval": {"pass_at": {"one": 0.5}}}, "a k that is no whole number"),
    ],
)
def test_a_damaged_cell_is_named(small, change, said):
    path, record = a_cell(small)
    write_json(path, {**record, **change})
    with pytest.raises(ZipfitError) as error:
        load_results(small)
    assert str(error.value).startswith(str(path))
    assert said in str(error.value)


@pytest.mark.parametrize(
    "content", [b"", b'{"format": 1, "key"', b"[1]", b"null", b"\xff\xfe", b"[" * 100_000, b"1e999"]
)
@pytest.mark.parametrize("folder", ["cells", "selections"])
def test_a_file_that_holds_no_object_is_named(small, content, folder):
    path = sorted((small / folder).iterdir())[0]
    path.write_bytes(content)
    with pytest.raises(ZipfitError, match="is damaged") as error:
        load_results(small)
    assert str(error.value).startswith(str(path))


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_value_anywhere_is_read_or_named(small, data):
    """Whatever one value of a cell, a selection or the study becomes, it is read or it is a ZipfitError."""
    path = data.draw(
        st.sampled_from([small / "study.json", a_cell(small)[0], sorted((small / "selections").iterdir())[0]])
    )
    before = path.read_text()
    record = json.loads(before)
    inner = record["study"] if path.name == "study.json" else record
    inner[data.draw(st.sampled_from(sorted(inner)))] = data.draw(values)
    write_json(path, record)
    said = ""
    try:
        results = load_results(small)
        json.dumps([[*cell_rows(results)], [*loss_rows(results)], [*selection_rows(results)]], allow_nan=False)
        for model in results.models:
            methods_table(results, model, 20_000, results.arms)
            top_documents(results, model)
        arms_table(results), failed_table(results), missing_table(results)
    except ZipfitError as error:
        said = str(error)
    finally:
        path.write_text(before)
    assert said == "" or str(path) in said


def test_a_folder_without_a_study(tmp_path):
    with pytest.raises(ZipfitError, match=r"is no results folder: it holds no study\.json"):
        load_results(tmp_path)
    with pytest.raises(ZipfitError, match="is no results folder"):
        load_results(tmp_path / "nowhere")


def test_what_is_not_there_yet_is_no_error(small):
    shutil.rmtree(small / "selections")
    results = load_results(small)
    assert results.selections == {}
    assert len(results.cells) == 8
    (small / "cells" / ".half.json").write_text('{"form')
    (small / "cells" / "note.txt").write_text("hello")
    assert len(load_results(small).cells) == 8
    shutil.rmtree(small / "cells")
    results = load_results(small)
    assert results.cells == ()
    assert len(results.missing) == 8


def test_a_failed_cell_keeps_what_was_finished(small):
    path, record = a_cell(small)
    losses = [{"tokens": 0, "loss": 2.5, "bits_per_byte": None}, {"tokens": 512, "loss": math.nan}]
    write_json(path, {**record, "status": "failed", "error": "The loss is no number.", "losses": losses})
    results = load_results(small)
    assert [[loss.loss for loss in cell.losses] for cell in results.failed] == [[2.5]]
    assert len(results.done("zipfit", "smollm2", 20_000)) == 1


def test_cells_that_the_study_no_longer_names_are_left_out(small):
    study = json.loads((small / "study.json").read_text())
    study["study"]["arms"] = [item for item in study["study"]["arms"] if item["name"] != "dsir"]
    write_json(small / "study.json", study)
    results = load_results(small)
    assert results.left_out == 2
    assert {cell.arm for cell in results.cells} == {"zipfit", "random", "target"}


def test_the_cell_that_the_study_names_counts(small):
    """After a change of settings two cells have one place: the study says which is its own."""
    path, record = a_cell(small)
    now = {**record, "key": "f" * 16, "losses": [{"tokens": 0, "loss": 1.25}]}
    write_json(path.with_name("f" * 16 + ".json"), now)
    study = json.loads((small / "study.json").read_text())
    study["cells"] = [p.stem for p in (small / "cells").iterdir() if p != path]
    write_json(small / "study.json", study)
    results = load_results(small)
    assert results.left_out == 1
    assert [cell.loss for cell in results.done("zipfit", "smollm2", 20_000)][record["seed"]] == 1.25


def test_models_go_by_their_labels(tmp_path):
    folder = write_results(tmp_path, arms=FEW, budgets=(20_000,), seeds=(0,), models=("org/name",))
    study = json.loads((folder / "study.json").read_text())
    study["study"]["models"][0]["label"] = "Name"
    write_json(folder / "study.json", study)
    results = load_results(folder)
    assert results.models == ("Name",)
    assert {cell.model for cell in results.cells} == {"Name"}


@pytest.mark.parametrize(
    ("absent", "failed", "wanted"),
    [
        ([], {}, 40_000),
        ([("zipfit", 40_000, 1)], {}, 20_000),
        ([], {("zipfit", 40_000, 1): "It broke."}, 40_000),
        ([("zipfit", 40_000, 1), ("zipfit", 20_000, 0), ("dsir", 20_000, 0)], {}, 40_000),
        ([(item["name"], b, s) for item in FEW for b in (20_000, 40_000) for s in (0, 1)], {}, 40_000),
    ],
)
def test_the_budget_to_compare_at(tmp_path, absent, failed, wanted):
    folder = write_results(tmp_path, arms=FEW, budgets=(40_000, 20_000), seeds=(0, 1), absent=absent, failed=failed)
    results = load_results(folder)
    assert results.budgets == (20_000, 40_000)
    assert results.main_budget("smollm2", main_arms(results)) == wanted


def test_no_budget_is_the_largest(tmp_path):
    results = load_results(write_results(tmp_path, arms=FEW, budgets=(None, 20_000), seeds=(0,)))
    assert results.budgets == (20_000, None)
    assert results.main_budget("smollm2", main_arms(results)) is None


def test_a_study_of_a_sweep_alone_compares_its_points(tmp_path):
    arms = [
        arm(f"levels level={n}", "levels", method="zipfit", swept={"level": n}, options={"level": n}) for n in (1, 9)
    ]
    results = load_results(write_results(tmp_path, arms=[*arms, FEW[2]], budgets=(20_000,), seeds=(0,)))
    assert [a.name for a in main_arms(results)] == ["levels level=1", "levels level=9", "random"]


# Comparing


@pytest.mark.parametrize(
    ("loss", "wanted"),
    [(3.0, 0.0), (2.5, 0.0), (2.25, 50.0), (2.0, 100.0), (1.9, 300.0), (1.8, 400.0), (1.79, None)],
)
def test_tokens_to_reach(loss, wanted):
    found = tokens_to_reach([0, 100, 200, 400], [2.5, 2.0, 2.0, 1.8], loss)
    assert found == (None if wanted is None else pytest.approx(wanted))


@given(
    losses=st.lists(st.floats(0.5, 4.0), min_size=1, max_size=8),
    steps=st.lists(st.integers(1, 1000), min_size=8, max_size=8),
    share=st.floats(0, 1),
)
def test_tokens_to_reach_is_the_first_place_on_the_line(losses, steps, share):
    tokens = np.cumsum(steps[: len(losses)]).astype(float)
    level = min(losses) + share * (max(losses) - min(losses))
    found = tokens_to_reach(tokens, losses, level)
    assert found is not None
    assert np.interp(found, tokens, losses) == pytest.approx(level, abs=1e-6) or found == tokens[0]
    before = np.linspace(tokens[0], found, 50)[:-1]
    assert found == tokens[0] or (np.interp(before, tokens, losses) > level - 1e-6).all()


def curve(tokens, mean):
    row = np.array(mean, dtype=float)
    return Curve(np.array(tokens, dtype=float), row, row, row, 1)


def test_how_much_faster():
    slow = curve([0, 100, 200], [3.0, 2.5, 2.0])
    found = speedup(curve([0, 100, 200], [3.0, 1.0, 0.5]), slow)
    assert (found.loss, found.slow, found.fast) == (2.0, 200, 50)
    assert found.faster == pytest.approx(0.75)
    never = speedup(slow, curve([0, 100, 200], [3.0, 2.5, 1.9]))
    assert never.fast is None
    assert never.faster is None
    assert speedup(slow, curve([0, 100], [2.0, 2.1])) is None  # training only ever raised it
    assert speedup(curve([0, 200], [3.0, 0.5]), slow) is None  # nothing is known of what lies between


def test_a_curve_over_seeds_that_were_evaluated_at_other_tokens(small):
    for path in (small / "cells").iterdir():
        record = json.loads(path.read_text())
        if record["arm"] == "zipfit":
            at = [(0, 3.0), (100, 2.0), (200, 1.0)] if record["seed"] == 0 else [(0, 3.0), (50, 2.0), (150, 2.0)]
            write_json(path, {**record, "losses": [{"tokens": t, "loss": y} for t, y in at]})
    found = loss_curve(load_results(small).done("zipfit", "smollm2", 20_000))
    assert found.tokens.tolist() == [0, 50, 100, 150]
    assert found.mean.tolist() == [3.0, 2.25, 2.0, 1.75]
    assert found.low.tolist() == [3.0, 2.0, 2.0, 1.5]
    assert found.high.tolist() == [3.0, 2.5, 2.0, 2.0]
    short = found.until(75)
    assert short.tokens.tolist() == [0, 50, 75]
    assert short.mean.tolist() == [3.0, 2.25, 2.125]
    assert found.until(1e9) is found


def test_the_share_of_the_gap():
    random, target = {0: 2.0, 1: 2.2, 2: 9.0}, {0: 1.0, 1: 1.2}
    found = gap_closed({0: 1.5, 1: 2.3, 5: 0.0}, random, target)
    assert found.share == pytest.approx(0.2)  # (0.5 - 0.1) / (1 + 1)
    assert found.seeds == pytest.approx((0.5, -0.1))
    assert gap_closed({0: 1.5}, {0: 1.0}, {0: 1.0}) is None  # the target is no better than random choice
    assert gap_closed({0: 1.5}, {0: 1.0}, {0: 1.1}) is None
    assert gap_closed({7: 1.5}, random, target) is None


def test_standings(rich):
    ranked = standings(rich, "smollm2", 80_000)
    assert [found.loss.mean for found in ranked] == sorted(found.loss.mean for found in ranked)
    by_name = {found.arm.name: found for found in ranked}
    assert len(ranked) == len(rich.arms)
    assert by_name["random"].gap is by_name["target"].gap is by_name["random"].against_random is None
    assert by_name["everything"].budget is None
    assert by_name["everything"].gap is None  # of another budget: not to be compared
    assert len(by_name["d4"].cells) == 2  # one failed
    assert best_selection(ranked, 80_000).arm.name == "cover"
    zipfit = by_name["zipfit"]
    losses = {n: [c.losses[-1].loss for c in rich.done(n, "smollm2", 80_000)] for n in ("zipfit", "random", "target")}
    mean = {name: np.mean(row) for name, row in losses.items()}
    assert zipfit.gap.share == pytest.approx((mean["random"] - mean["zipfit"]) / (mean["random"] - mean["target"]))
    assert zipfit.against_random.values == pytest.approx(np.subtract(losses["zipfit"], losses["random"]))
    assert zipfit.loss.deviation == pytest.approx(np.std(losses["zipfit"], ddof=1))


def test_regression():
    x, y = [0.1, 0.2, 0.3, 0.45], [2.0, 1.9, 1.85, 1.6]
    found = regress(x, y)
    assert found.r_squared == pytest.approx(np.corrcoef(x, y)[0, 1] ** 2)
    assert [found.slope, found.intercept] == pytest.approx(np.polyfit(x, y, 1))
    assert 0 < found.p < 0.05
    assert regress(x[:2], y[:2]) is None
    assert regress([1, 1, 1], [1, 2, 3]) is None
    assert regress([1, 2, 3], [1, 1, 1]) is None
