from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic_results import (
    FEW,
    HOSTILE,
    MAIN_ARMS,
    RICH_ARMS,
    arm,
    swept,
    write_json,
    write_results,
    write_rich_results,
)

pytest.importorskip("matplotlib")
pytest.importorskip("scipy")

import matplotlib as mpl

from zipfit.report.figures import (
    CHARTS,
    draw_charts,
    length_control,
    loss_against_alignment,
    loss_against_alignment_of_all,
    loss_against_budget,
    loss_against_target_size,
    loss_against_tokens,
    loss_by_compressor,
    loss_by_dataset,
    loss_by_threshold,
    loss_of_everything,
    pass_by_compressor,
    save,
    spread_over_seeds,
    time_against_loss,
)
from zipfit.report.figures.labels import label_arrow, spread_out
from zipfit.report.figures.style import ON_DARK, PALETTE, looks, new_axes, ramp, renderer_of
from zipfit.report.figures.sweeps import compressor_and_level
from zipfit.report.statistics import main_arms
from zipfit.report.tables import methods_table
from zipfit.report.wording import short_names, tidy
from zipfit.study.results import load_results

NAMES = {draw.__name__ for draw in CHARTS}


@pytest.fixture(scope="module")
def rich(tmp_path_factory):
    return load_results(write_rich_results(tmp_path_factory.mktemp("rich")))


@pytest.fixture(scope="module")
def charts(rich):
    return {chart.name: chart for chart in draw_charts(rich, "smollm2")}


def lines(chart):
    """Colour to the x and y of the lines drawn in it."""
    found = {}
    for line in chart.figure.axes[0].get_lines():
        found.setdefault(line.get_color(), []).append((list(line.get_xdata()), list(line.get_ydata())))
    return found


def texts(chart):
    axes = chart.figure.axes
    return [text.get_text() for text in chart.figure.texts] + [text.get_text() for one in axes for text in one.texts]


def final(results, name, budget=80_000):
    return [cell.losses[-1].loss for cell in results.done(name, "smollm2", budget)]


def test_a_study_with_everything_has_every_figure(charts):
    assert set(charts) == NAMES | {"loss_against_tokens_20000", "loss_against_tokens_40000"}
    for chart in charts.values():
        assert chart.title
        assert "seed" in chart.caption
        assert chart.caption.endswith(".")
        assert chart.caption.count(". ") == 0  # one sentence
        assert chart.finding.endswith(".")
        assert "block 256 · batch 4 · learning rate 0.0001" in chart.settings
        assert "seeds 0, 1, 2" in chart.settings


@pytest.mark.parametrize(
    ("arms", "budgets", "seeds", "wanted"),
    [
        (FEW[:1], (20_000,), (0,), {"loss_against_tokens"}),
        (FEW, (20_000,), (0,), {"loss_against_tokens", "spread_over_seeds", "time_against_loss", "loss_against_alignment_of_all"}),
        ([arm("random", method="random")], (20_000, 40_000), (0, 1), {"loss_against_tokens", "loss_against_budget"}),
        ([item for item in RICH_ARMS if item["label"]], (20_000,), (0,),
         {"loss_against_alignment", "loss_against_alignment_of_all", "loss_by_dataset", "loss_against_tokens", "spread_over_seeds"}),
    ],
)  # fmt: skip
def test_a_figure_without_its_data_is_not_drawn(tmp_path, arms, budgets, seeds, wanted):
    results = load_results(write_results(tmp_path, arms=arms, budgets=budgets, seeds=seeds))
    assert {chart.name for chart in draw_charts(results, "smollm2")} == wanted


def test_nothing_is_drawn_of_nothing(tmp_path):
    absent = [(item["name"], 20_000, 0) for item in RICH_ARMS] + [("everything", None, 0)]
    folder = write_results(tmp_path, arms=RICH_ARMS, budgets=(20_000,), seeds=(0,), absent=absent)
    assert draw_charts(load_results(folder), "smollm2") == []


def test_the_curves_are_the_means_over_seeds(rich, charts):
    chart = charts["loss_against_tokens"]
    colours = looks(rich)
    for name in ("zipfit", "cover", "random", "d4"):
        cells = rich.done(name, "smollm2", 80_000)
        mean = np.mean([[loss.loss for loss in cell.losses] for cell in cells], axis=0)
        tokens = [loss.tokens for loss in cells[0].losses]
        drawn = [(x, y) for x, y in lines(chart)[colours[name].colour] if len(x) == len(tokens)]
        assert len(drawn) == 1
        assert drawn[0][0] == tokens
        assert drawn[0][1] == pytest.approx(mean)
        assert f"{name}  {mean[-1]:.3f}" in texts(chart)
    at_20_000 = charts["loss_against_tokens_20000"]
    assert at_20_000.title.endswith(", 20,000 tokens")
    assert f"zipfit  {np.mean(final(rich, 'zipfit', 20_000)):.3f}" in texts(at_20_000)
    bands = chart.figure.axes[0].collections
    assert len(bands) == len(MAIN_ARMS)
    highest = max(cell.losses[0].loss for cell in rich.cells)
    assert f"pre-trained  {highest:.3f}" in texts(chart)


def test_the_arrow_says_how_much_faster(rich, charts, tmp_path):
    chart = charts["loss_against_tokens"]
    level = min(np.mean([[loss.loss for loss in c.losses] for c in rich.done("random", "smollm2", 80_000)], axis=0))
    cells = rich.done("cover", "smollm2", 80_000)
    tokens, mean = (
        [loss.tokens for loss in cells[0].losses],
        np.mean([[p.loss for p in c.losses] for c in cells], axis=0),
    )
    fine = np.linspace(0, tokens[-1], 200_001)
    reached = fine[np.argmax(np.interp(fine, tokens, mean) <= level)]
    said = f"{100 * (1 - reached / tokens[-1]):.0f}% faster"
    assert said in texts(chart)
    assert said in chart.finding

    worse = load_results(write_results(tmp_path, arms=FEW, gains={"zipfit": 0.2, "dsir": 0.3}, budgets=(20_000,)))
    chart = loss_against_tokens(worse, "smollm2")
    assert "never reaches the lowest loss of random" in chart.finding
    assert not any("faster" in text for text in texts(chart))


def test_words_beside_an_arrow_cross_no_line():
    figure, axes = new_axes("loss", "tokens", right=1.2, height=4)
    axes.plot([0, 10, 20, 30, 40], [1.628, 1.596, 1.582, 1.588, 1.587])
    axes.plot([0, 10, 20, 30, 40], [1.628, 1.590, 1.594, 1.591, 1.589])
    axes.plot([0, 10, 20, 30, 40], [1.628, 1.589, 1.595, 1.585, 1.579])
    axes.plot([0, 10, 40], [1.628, 1.518, 1.518])
    axes.set_xlim(0, 40)
    axes.set_ylim(1.51, 1.65)
    label_arrow(axes, "74% faster", 10.5, 40, 1.5894)
    (words,) = (text for text in axes.texts if text.get_text() == "74% faster")
    box = words.get_window_extent(renderer_of(figure))
    for line in axes.lines:
        assert not line.get_transform().transform_path(line.get_path()).intersects_bbox(box, filled=False)
    assert axes.get_window_extent().x0 <= box.x0
    assert box.x1 <= axes.get_window_extent().x1


def test_alignment_against_loss_is_a_regression(rich, charts):
    chart = charts["loss_against_alignment"]
    labels = [a for a in rich.arms if a.label]
    x = [np.mean([cell.alignment for cell in rich.done(a.name, "smollm2", 80_000)]) for a in labels]
    y = [np.mean(final(rich, a.name)) for a in labels]
    r_squared = np.corrcoef(x, y)[0, 1] ** 2
    assert f"R² = {r_squared:.2f}, p < 0.001" in texts(chart)
    assert {"c4", "wikitext-2", "lean4-putnam"} <= set(texts(chart))
    slope, intercept = np.polyfit(x, y, 1)
    fitted = next(line for line in chart.figure.axes[0].get_lines() if line.get_linestyle() == "--")
    assert fitted.get_ydata() == pytest.approx(intercept + slope * np.array(fitted.get_xdata()))
    assert "over 35 arms" in charts["loss_against_alignment_of_all"].finding  # `everything` has another budget


def test_data_sets_are_coloured_by_alignment(rich, charts):
    drawn = set(lines(charts["loss_by_dataset"]))
    aligned = {
        a.name: np.mean([c.alignment for c in rich.done(a.name, "smollm2", 80_000)]) for a in rich.arms if a.label
    }
    low, high = min(aligned.values()), max(aligned.values())
    for value in aligned.values():
        assert ramp((value - low) / (high - low)) in drawn
    assert f"alignment {low:.2f}" in [text.get_text() for text in charts["loss_by_dataset"].figure.axes[1].texts]


def test_everything_is_cut_where_thresholds_end(rich, charts):
    chart = charts["loss_by_threshold"]
    assert {f"≥ {score}  {np.mean(final(rich, f'above min_score={score}')):.3f}" for score in (0.1, 0.2, 0.3)} <= set(
        texts(chart)
    )
    assert any(text.startswith("everything") for text in texts(chart))
    assert max(x for rows in lines(chart).values() for xs, _ in rows for x in xs[:1]) <= 80_000
    assert chart.figure.axes[0].get_xlim()[1] < 81_000
    whole = charts["loss_of_everything"]
    assert whole.figure.axes[0].get_xlim()[1] > 390_000


def test_budgets_sizes_and_levels_are_where_they_belong(rich, charts):
    panels = charts["loss_against_budget"].figure.axes
    assert sorted(len(axes.get_yticks()) for axes in panels) == sorted(
        len([a for a in main_arms(rich) if rich.done(a.name, "smollm2", budget)]) for budget in (20_000, 40_000, 80_000)
    )
    assert {"20,000 tokens", "40,000 tokens", "80,000 tokens"} <= set(texts(charts["loss_against_budget"]))
    for budget in (20_000, 40_000, 80_000):
        wanted = sorted(final(rich, "zipfit", budget))
        drawn = [line for axes in panels for line in axes.get_lines()]
        assert any(sorted(line.get_xdata()) == pytest.approx(wanted) for line in drawn)
    assert len({axes.get_xlim() for axes in panels}) == 1

    drawn = lines(charts["loss_against_target_size"])[looks(rich)["small target_size=1"].colour]
    wanted = [np.mean(final(rich, f"small target_size={n}")) for n in (1, 5, 20, 80, "null")]
    assert any(xs == [0, 1, 2, 3, 4] and ys == pytest.approx(wanted) for xs, ys in drawn)
    assert "n = all" in charts["loss_against_target_size"].finding

    drawn = [row for rows in lines(charts["loss_by_compressor"]).values() for row in rows]
    gzip = [np.mean(final(rich, name)) for name in ("zipfit-gzip1", "zipfit", "zipfit-gzip9")]
    zstd = [np.mean(final(rich, f"compressors level={level}")) for level in (1, 10, 22)]
    assert any(xs == [1, 6, 9] and ys == pytest.approx(gzip) for xs, ys in drawn)
    assert any(xs == [1, 10, 22] and ys == pytest.approx(zstd) for xs, ys in drawn)
    drawn = [row for rows in lines(charts["pass_by_compressor"]).values() for row in rows]
    passed = [
        np.mean([c.pass_at[1] for c in rich.done(f"compressors level={n}", "smollm2", 80_000)]) for n in (1, 10, 22)
    ]
    assert any(xs == [1, 10, 22] and ys == pytest.approx(passed) for xs, ys in drawn)


def test_what_an_arm_compresses_with(rich):
    found = {a.name: compressor_and_level(a) for a in rich.arms}
    assert found["zipfit"] == ("gzip", 6)
    assert found["zipfit-lz4"] == ("lz4", 0)
    assert found["zipfit-gzip9"] == ("gzip", 9)
    assert found["dsir"] is found["above min_score=0.1"] is found["small target_size=null"] is found["lengths"] is None


def test_times_are_on_a_log_axis_with_none_at_the_edge(rich, charts):
    axes = charts["time_against_loss"].figure.axes[0]
    assert axes.get_xscale() == "log"
    points = [(line.get_xdata()[0], line.get_ydata()[0]) for line in axes.get_lines() if line.get_linestyle() == "None"]
    edge = [(x, y) for x, y in points if x == min(x for x, _ in points)]
    assert len(edge) == 1
    assert edge[0][1] == pytest.approx(np.mean(final(rich, "random")))
    assert any(x == pytest.approx(31.0) and y == pytest.approx(np.mean(final(rich, "cover"))) for x, y in points)
    assert "took 31 s" in charts["time_against_loss"].finding


def test_every_seed_is_a_point(rich, charts):
    axes = charts["spread_over_seeds"].figure.axes[0]
    points = [line.get_xdata() for line in axes.get_lines() if line.get_marker() == "o"]
    assert sorted(map(len, points)) == [2] + [3] * 10
    assert any(list(xs) == final(rich, "gain") for xs in points)
    control = charts["length_control"]
    apart = np.mean(final(rich, "zipfit")) - np.mean(final(rich, "lengths"))
    assert f"zipfit ends −{-apart:.3f} from random documents of its lengths" in control.finding


def test_an_arm_has_one_colour_and_its_neighbours_another(rich):
    seen = looks(rich)
    main = [seen[item["name"]] for item in MAIN_ARMS]
    assert len({(look.colour, look.dashes) for look in main}) == len(main)
    assert len({seen[a.name].colour for a in rich.arms if a.family == "sources"}) == 1
    assert seen["lengths"].colour == seen["zipfit"].colour
    assert set(PALETTE) <= set(ON_DARK)


def test_of_sweeps_alone_each_is_one_line_and_one_name(tmp_path):
    sizes = (1, 5, 20, 80)
    arms = [
        swept(method, "target_size", n, method=method, target_size=n) for method in ("zipfit", "dsir") for n in sizes
    ]
    results = load_results(write_results(tmp_path, arms=arms, budgets=(20_000,), seeds=(0,)))
    charts = {chart.name: chart for chart in draw_charts(results, "smollm2")}
    drawn = [rows for rows in lines(charts["loss_against_target_size"]).values() if any(len(xs) == 4 for xs, _ in rows)]
    assert len(drawn) == 2
    assert texts(charts["loss_against_alignment_of_all"]).count("zipfit") == 1


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("colour", sorted(set(ON_DARK) - {"#dde1e6", "#ffffff"}))
def test_colours_stand_out_on_light_and_on_dark(colour):
    """The contrast that WCAG asks of graphics (1.4.11): 3 to 1."""
    assert 1.05 / (luminance(colour) + 0.05) >= 3 - 0.15
    assert (luminance(ON_DARK[colour]) + 0.05) / (luminance(ON_DARK["#ffffff"]) + 0.05) >= 3


def test_figures_save_to_the_same_bytes_and_leave_no_trace(rich):
    before = dict(mpl.rcParams)
    first, second = loss_against_tokens(rich, "smollm2"), loss_against_tokens(rich, "smollm2")
    assert dict(mpl.rcParams) == before
    for kind in ("svg", "png"):
        assert save(first.figure, kind) == save(second.figure, kind) == save(first.figure, kind)
    svg = save(first.figure, "svg")
    ET.fromstring(svg)
    assert b"<dc:date>" not in svg
    assert b"<metadata" not in svg or b"matplotlib" not in svg.split(b"<metadata")[1].split(b"</metadata")[0].lower()


PROGRAM = """
import hashlib, sys
import matplotlib
matplotlib.rcParams["font.size"] = 30
matplotlib.rcParams["svg.fonttype"] = "path"
from zipfit.study.results import load_results
from zipfit.report.figures import save, spread_over_seeds
figure = spread_over_seeds(load_results(sys.argv[1]), "smollm2").figure
print(hashlib.sha256(save(figure, "svg") + save(figure, "png")).hexdigest())
assert "matplotlib.pyplot" not in sys.modules
"""


def test_another_process_with_other_settings_gives_the_same_bytes(tmp_path):
    folder = write_results(tmp_path, arms=FEW, budgets=(20_000,), seeds=(0, 1))
    command = [sys.executable, "-c", PROGRAM, str(folder)]
    found = [subprocess.run(command, check=True, capture_output=True, text=True).stdout for _ in range(2)]
    assert found[0] == found[1]


def test_without_matplotlib_the_extra_is_named():
    program = "import sys; sys.modules['matplotlib'] = None; import zipfit.report.study"
    ran = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    assert "MissingExtraError" in ran.stderr
    assert "pip install 'zipfit[plots]'" in ran.stderr


def test_the_arrow_may_join_other_arms(rich):
    chart = loss_against_tokens(rich, "smollm2", arrow=("zipfit", "d4"))
    assert "zipfit is as low as d4 ever gets" in chart.finding
    assert (
        "never reaches the lowest loss of target"
        in loss_against_tokens(rich, "smollm2", arrow=("d4", "target")).finding
    )


def test_an_arrow_between_arms_whose_seeds_overlap_may_be_chance(tmp_path):
    results = load_results(write_results(tmp_path, arms=FEW, gains={"zipfit": 0.42, "random": 0.4}, budgets=(20_000,)))
    losses = {name: [cell.loss for cell in results.done(name, "smollm2", 20_000)] for name in ("zipfit", "random")}
    assert np.mean(losses["zipfit"]) < np.mean(losses["random"])
    assert max(losses["zipfit"]) >= min(losses["random"])
    assert "may be chance" in loss_against_tokens(results, "smollm2", arrow=("zipfit", "random")).finding
    assert "may be chance" not in loss_against_tokens(results, "smollm2", arrow=("target", "random")).finding


def test_an_arrow_between_single_seeds_speaks_of_no_overlap(tmp_path):
    folder = write_results(tmp_path, arms=FEW, gains={"zipfit": 0.42, "random": 0.4}, budgets=(20_000,), seeds=(0,))
    for path in (folder / "cells").iterdir():
        record = json.loads(path.read_text())
        if record["arm"] == "zipfit":  # soon as low as random choice gets, and then worse than it
            record["losses"][1]["loss"] = 2.0
            record["losses"][-1]["loss"] = 2.82
            write_json(path, record)
    finding = loss_against_tokens(load_results(folder), "smollm2", arrow=("zipfit", "random")).finding
    assert "faster" in finding
    assert "overlap" not in finding


@pytest.mark.filterwarnings("error")
def test_hostile_names_are_only_names(tmp_path):
    names = [HOSTILE, "数学 🎲", "lone \ud800", "tab\tnew\nline\x00", "$\\frac{1}{2$", "%s {0} ${x}", "x" * 500]
    methods = ["zipfit", "dsir", "random", "cover", "gain", "d4", "embedding"]
    arms = [arm(name, method=method) for name, method in zip(names, methods, strict=True)]
    results = load_results(write_results(tmp_path, arms=arms, budgets=(20_000, 40_000), seeds=(0, 1)))
    drawn = draw_charts(results, "smollm2")
    assert len(drawn) == 6
    for chart in drawn:
        tree = ET.fromstring(save(chart.figure, "svg"))
        assert not [node for node in tree.iter() if node.tag.endswith("script")]
        assert save(chart.figure, "png").startswith(b"\x89PNG")
        assert "\x00" not in chart.finding
        assert "\ud800" not in chart.finding


def test_a_time_without_the_encoders_says_so(tmp_path):
    folder = write_results(tmp_path, arms=FEW, budgets=(20_000,), seeds=(0,))
    for path in (folder / "cells").iterdir():
        record = json.loads(path.read_text())
        cached = {"zipfit": 0.98, "cover": 0.5}.get(record["arm"])
        write_json(path, {**record, "cached_vectors": cached})
    results = load_results(folder)
    assert (
        "(those of zipfit without encoding, as the vectors were kept from before)"
        in time_against_loss(results, "smollm2").caption
    )
    table = methods_table(results, "smollm2", 20_000, results.arms)
    times = [[name for name, _ in table.columns].index(wanted) for wanted in ("Arm", "Time to select")]
    spared = {row[times[0]] for row in table.rows if row[times[1]][1] == "without encoding"}
    assert spared == {"zipfit"}


def test_the_settings_name_the_seeds_that_were_run(tmp_path):
    absent = [(item["name"], 20_000, seed) for item in FEW for seed in (0, 2)]
    results = load_results(write_results(tmp_path, arms=FEW, budgets=(20_000, 40_000), seeds=(0, 1, 2), absent=absent))
    assert loss_against_tokens(results, "smollm2").settings.endswith(" · seeds 0, 1, 2")
    assert loss_against_tokens(results, "smollm2", budget=20_000).settings.endswith(" · seed 1")


def test_missing_values_leave_points_out(tmp_path):
    folder = write_results(tmp_path, arms=FEW, budgets=(20_000,), seeds=(0,))
    for path in (folder / "cells").iterdir():
        record = json.loads(path.read_text())
        write_json(path, {**record, "alignment": None, "selection_seconds": None})
    results = load_results(folder)
    assert loss_against_alignment_of_all(results, "smollm2") is None
    assert time_against_loss(results, "smollm2") is None
    assert loss_by_dataset(results, "smollm2") is None
    assert loss_against_alignment(results, "smollm2") is None
    assert spread_over_seeds(results, "smollm2") is not None
    for draw in (length_control, loss_against_budget, loss_against_target_size, loss_by_compressor, loss_by_threshold):
        assert draw(results, "smollm2") is None
    assert loss_of_everything(results, "smollm2") is None
    assert pass_by_compressor(results, "smollm2") is None


@given(
    places=st.lists(st.floats(-100, 100), min_size=1, max_size=12),
    apart=st.floats(0.1, 10),
)
def test_names_move_apart_as_little_as_can_be(places, apart):
    from scipy.optimize import isotonic_regression

    moved = np.array(spread_out(places, apart, -1e9, 1e9))
    order = sorted(range(len(places)), key=lambda i: (places[i], i))
    steps = np.arange(len(places)) * apart
    best = isotonic_regression(np.array(places)[order] - steps).x + steps
    assert moved[order] == pytest.approx(best, abs=1e-6)
    assert (np.diff(moved[order]) >= apart - 1e-6).all()


def test_names_stay_within_bounds():
    assert spread_out([0, 0, 0], 10, 0, 100) == pytest.approx([0, 10, 20])
    assert spread_out([100, 100], 10, 0, 100) == pytest.approx([90, 100])


@given(names=st.lists(st.text(max_size=60), unique=True, max_size=8), most=st.integers(8, 20))
def test_short_names_fit(names, most):
    cut = short_names(names, most)
    assert list(cut) == names
    assert all(len(text) <= most for text in cut.values())


def test_short_names_stay_apart():
    cut = short_names(["a common beginning, A, and a common end", "a common beginning, B, and a common end"], 12)
    assert len(set(cut.values())) == 2
    assert tidy("a\x00b\u202ec\ud800", 9) == "a�b�c�"
