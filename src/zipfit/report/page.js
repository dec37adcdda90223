"use strict";
// The page is whole without this. It puts buttons into the heads of tables, which sort them, and below figures, which
// pick lines out. It makes elements and moves those that are there; no text of the page is ever read as HTML.

const UNITS = { ms: 1e-3, s: 1, min: 60, h: 3600 };
const NUMBERS = /[+-]?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?/gi;
const letters = new Intl.Collator(undefined, { numeric: true });

/** What a cell is sorted by: its numbers in seconds or as they are, or its text; null, which comes last, for none. */
function keyOf(cell, isNumeric) {
  const text = (cell.querySelector("bdi") ?? cell).textContent.replaceAll("−", "-").trim();
  if (!isNumeric) return text || null;
  const factor = UNITS[/(?<=\d )(ms|s|min|h)$/.exec(text)?.[0]] ?? 1;
  return text.match(NUMBERS)?.map((number) => factor * Number(number.replaceAll(",", ""))) ?? null;
}

function compare(a, b) {
  if (typeof a === "string") return letters.compare(a, b);
  const at = a.findIndex((number, place) => number !== b[place]);
  return at < 0 ? 0 : a[at] - (b[at] ?? 0);
}

function makeSortable(table) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const asWritten = [...body.rows];
  if (asWritten.length < 2) return;
  heads.forEach((head, column) => {
    const keys = new Map(asWritten.map((row) => [row, keyOf(row.cells[column], head.classList.contains("n"))]));
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => {
      const order = { null: "ascending", ascending: "descending" }[head.getAttribute("aria-sort")];
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      const sign = order === "descending" ? -1 : 1;
      const rows = [...asWritten];
      if (order) {
        head.setAttribute("aria-sort", order);
        const [full, empty] = [true, false].map((is) => rows.filter((row) => (keys.get(row) !== null) === is));
        full.sort((a, b) => sign * compare(keys.get(a), keys.get(b)));
        rows.splice(0, rows.length, ...full, ...empty);
      }
      body.append(...rows);
    });
    head.append(button);
  });
}

function letLinesBePicked(figure) {
  const drawing = figure.querySelector("svg");
  const lines = [...figure.querySelectorAll('g[id*="-arm-"]')];
  if (lines.length < 2) return;
  const bar = document.createElement("div");
  bar.className = "lines";
  bar.setAttribute("role", "group");
  bar.setAttribute("aria-label", "Lines to pick out");
  for (const line of lines) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = line.querySelector("title").textContent;
    button.setAttribute("aria-pressed", "false");
    button.style.setProperty("--line", line.querySelector("path:not(.reach)").style.stroke);
    button.addEventListener("click", () => {
      button.setAttribute("aria-pressed", String(line.classList.toggle("picked")));
      drawing.classList.toggle("picking", lines.some((each) => each.classList.contains("picked")));
    });
    line.addEventListener("click", () => button.click());
    bar.append(button);
  }
  drawing.classList.add("pickable");
  drawing.after(bar);
}

document.querySelectorAll("table").forEach(makeSortable);
document.querySelectorAll("figure").forEach(letLinesBePicked);
