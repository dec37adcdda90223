"""What a page's script does in a browser, and that no other script runs."""

from __future__ import annotations

import html
import re

import pytest
from support import Page, needs_nothing_but_itself, pool_records, target_texts
from synthetic_results import FEW, HOSTILE, arm, write_results

import zipfit
from zipfit.report.rendering import template

pytestmark = pytest.mark.slow

ATTACKS = (
    "<script>document.title = 'taken'</script>",
    "<img src=x onerror=\"document.title = 'taken'\">",
    "<svg onload=\"document.title = 'taken'\"></svg>",
    "</td></table><script src=data:text/javascript,document.title='taken'></script>",
    "<iframe srcdoc=\"<script>parent.document.title = 'taken'</script>\"></iframe>",
    "<a href=\"javascript:document.title = 'taken'\" id=link>link</a>",
)

COLUMN = """
  const column = place => [...page.querySelectorAll("tbody tr")].map(row => row.cells[place].textContent);
  const heads = [...page.querySelectorAll("thead th")];
  const sorts = () => heads.map(head => head.getAttribute("aria-sort"));
"""


TABLE = """{% extends "page.html" %}{% from "parts.html" import table %}
{% block body %}{{ table("A table", columns, rows) }}{% endblock %}"""


def showing(*columns):
    """A page with one table: heads, whether they are numbers, and cells."""
    heads = [(name, "n" if numeric else "") for name, numeric, _ in columns]
    rows = list(zip(*(cells for _, _, cells in columns), strict=True))
    page = template("page.html").environment.from_string(TABLE)
    return page.render(title="a table", columns=heads, rows=rows)


@pytest.mark.parametrize(
    ("numeric", "cells", "order"),
    [
        (True, ["12 min", "216 ms", "–", "3.2 s", "1.1 h", "0 s"], ["0 s", "216 ms", "3.2 s", "12 min", "1.1 h", "–"]),
        (True, ["1,200", "90", "1.5e-05", "−3"], ["−3", "1.5e-05", "90", "1,200"]),
        (True, [("−0.1", "−0.3 to 0.2"), "–", "+0.2", "−0.25"], ["−0.25", "−0.1−0.3 to 0.2", "+0.2", "–"]),
        (True, ["0 / 10", "0 / 9", "1 / 0", "-inf"], ["0 / 9", "0 / 10", "1 / 0", "-inf"]),
        (True, ["50 (100%)", "5 (10%)", "5 (9%)"], ["5 (9%)", "5 (10%)", "50 (100%)"]),
        (False, ["lean10", "", "Lean2", "a"], ["a", "Lean2", "lean10", ""]),
    ],
)
def test_a_table_is_sorted_by_a_column(browser, numeric, cells, order):
    text = showing(("name", False, [f"row {n}" for n in range(len(cells))]), ("value", numeric, cells))
    script = (
        "page => {"
        + COLUMN
        + """
      const states = [[sorts(), column(1)]];
      for (let i = 0; i < 3; i++) { heads[1].firstChild.click(); states.push([sorts(), column(1)]); }
      heads[1].firstChild.click(); heads[0].firstChild.click(); states.push([sorts(), column(1)]);
      return states; }"""
    )
    before, up, down, again, other = browser(text, 800, script)[0]["found"]
    written = ["".join(cell) for cell in cells]
    empty = [cell for cell in order if not re.search("[a-z0-9]", cell) or cell == "-inf"]
    full = order[: len(order) - len(empty)]
    assert before == [[None, None], written]
    assert up == [[None, "ascending"], order]
    assert down == [[None, "descending"], full[::-1] + empty]
    assert again == before
    assert other == [["ascending", None], written]


def test_heads_are_reached_by_keyboard(browser):
    text = showing(("name", False, ["b", "a"]), ("value", True, ["1", "2"]))
    script = (
        "page => {"
        + COLUMN
        + """
      const buttons = heads.map(head => head.firstChild);
      buttons[1].focus();
      return [buttons.map(b => [b.tagName, b.type, b.tabIndex]), page.activeElement === buttons[1],
              heads.map(head => head.textContent), page.querySelectorAll("button").length]; }"""
    )
    kinds, is_focused, names, count = browser(text, 800, script)[0]["found"]
    assert kinds == [["BUTTON", "button", 0]] * 2
    assert is_focused
    assert names == ["name", "value"]
    assert count == 2
    single = showing(("name", False, ["alone"]), ("value", True, ["1"]))
    assert browser(single, 800, "page => page.querySelectorAll('button').length")[0]["found"] == 0


def test_the_page_is_whole_without_the_script():
    text = showing(("name", False, ["b", "a"]), ("value", True, ["1", "2"]))
    assert "<button" not in text
    assert Page(text.replace("<script>", "<!-- ").replace("</script>", " -->")).text == Page(text).text


def test_lines_are_picked_out_of_a_figure(browser, tmp_path):
    pytest.importorskip("matplotlib")
    pytest.importorskip("scipy")
    from zipfit.report.study import write_report

    text = write_report(write_results(tmp_path, arms=FEW, budgets=(20_000,), seeds=(0, 1))).read_text("utf-8")
    script = """page => {
      const figure = page.querySelector("#loss-against-tokens");
      const buttons = [...figure.querySelectorAll(".lines button")];
      const lines = [...figure.querySelectorAll('g[id*="-arm-"]')];
      const seen = () => lines.map(line => page.defaultView.getComputedStyle(line).opacity);
      const states = [seen()];
      buttons[1].click(); states.push(seen(), buttons.map(b => b.getAttribute("aria-pressed")));
      lines[0].querySelector(".reach").dispatchEvent(new MouseEvent("click", {bubbles: true})); states.push(seen());
      buttons[0].click(); buttons[1].click(); states.push(seen());
      return [buttons.map(b => b.textContent), states]; }"""
    names, (before, one, pressed, two, after) = browser(text, 1200, script)[0]["found"]
    assert sorted(names) == sorted(each["name"] for each in FEW)
    assert before == after == ["1"] * len(names)
    assert one == ["1" if place == 1 else "0.15" for place in range(len(names))]
    assert pressed == ["true" if place == 1 else "false" for place in range(len(names))]
    assert two[:2] == ["1", "1"]
    assert set(two[2:]) == {"0.15"}


@pytest.mark.parametrize("budgets", [(20_000,), (20_000, 40_000, 80_000)])
def test_no_half_of_a_row_is_empty(browser, tmp_path, budgets):
    pytest.importorskip("matplotlib")
    pytest.importorskip("scipy")
    from zipfit.report.study import write_report

    arms = [*FEW, *(arm(f"zipfit-{level}", "zipfit", method="zipfit", options={"level": level}) for level in (1, 9))]
    text = write_report(write_results(tmp_path, arms=arms, budgets=budgets, seeds=(0, 1))).read_text("utf-8")
    script = """page => {
      const grid = page.querySelector(".grid").getBoundingClientRect();
      const boxes = [...page.querySelectorAll(".grid > .card")].map(card => card.getBoundingClientRect());
      const area = boxes.reduce((sum, box) => sum + (box.width + 20) * (box.height + 20), 0);
      return [boxes.length, area / ((grid.width + 20) * (grid.height + 20))]; }"""
    cards, filled = browser(text, 1400, script)[0]["found"]
    assert cards >= 3
    assert 0.999 < filled < 1.001


@pytest.mark.parametrize("attack", [HOSTILE, *ATTACKS])
def test_a_strangers_text_in_a_table_stays_a_text(browser, tmp_path, attack):
    records = [{"text": f"{attack} {record['text']}", "source": attack} for record in pool_records(20)]
    selection = zipfit.select(records, [f"{attack} {text}" for text in target_texts(4)], top=5, against="random")
    selection.report(tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text("utf-8")
    assert attack[:40] in needs_nothing_but_itself(text).text
    clicked = "page => page.querySelectorAll('thead button').forEach(button => { button.click(); button.click(); })"
    measured, _ = browser(text, 800, clicked)
    assert measured["title"] == "selection · zipfit selection"


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_text_that_got_through_as_html_would_not_run(browser, attack):
    text = showing(("name", False, ["b", "MARK"]), ("value", True, ["1", "2"]))
    clicked = "page => [page.querySelector('#link')?.click(), page.querySelectorAll('thead button').length]"
    measured, _ = browser(text.replace("MARK", attack), 800, clicked)
    assert measured["title"] == "a table"
    assert measured["found"][1] > 0  # while the page's own runs
    allowed = re.sub(r"<meta http-equiv.*?>", "", text).replace("MARK", attack)
    if attack in ATTACKS[:3]:  # without the policy these would
        assert browser(allowed, 800)[0]["title"] == "taken"


def test_what_a_page_says_of_its_script():
    text = showing(("name", False, ["b", "a"]))
    needs_nothing_but_itself(text)
    assert html.unescape(text).count("innerHTML") == 0
