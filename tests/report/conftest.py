from __future__ import annotations

import html
import json
import re
import shutil
import subprocess

import pytest

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--virtual-time-budget=5000",
)  # fmt: skip

# A browser's window may not be as narrow as a phone, so a frame of a phone's width holds the report; the frame's own
# document says how wide its content is, with every folded part opened, and what a function of it finds.
FRAME = """<!DOCTYPE html><body style="margin:0"><iframe id="f" style="border:0;width:{width}px;height:3000px"
srcdoc="{page}"></iframe><script>
document.getElementById("f").addEventListener("load", () => {{
  const page = document.getElementById("f").contentDocument;
  page.querySelectorAll("details").forEach(part => part.open = true);
  const root = page.documentElement;
  const size = t => parseFloat(page.defaultView.getComputedStyle(t).fontSize) * t.getScreenCTM().a;
  const smallest = Math.min(...[...page.querySelectorAll("svg text")].map(size));
  document.title = JSON.stringify({{width: root.scrollWidth, inner: page.defaultView.innerWidth, title: page.title,
    height: root.scrollHeight, smallest: smallest, figures: page.querySelectorAll("svg").length, found: ({script})(page)}});
}});
</script></body>"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A browser: shown a page, as wide as that, it gives what it and a function of JavaScript find, and a picture."""
    found = [path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))]
    if not found:
        pytest.skip("no Chromium here: there is neither chromium, chromium-browser nor google-chrome on the PATH")

    def run(*arguments):
        profile = tmp_path_factory.mktemp("profile")
        command = [found[0], *FLAGS, f"--user-data-dir={profile}", *map(str, arguments)]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout

    def show(text, width, script="page => null"):
        folder = tmp_path_factory.mktemp("page")
        frame, shot = folder / "frame.html", folder / "shot.png"
        frame.write_text(FRAME.format(width=width, page=html.escape(text, quote=True), script=script), encoding="utf-8")
        size = f"--window-size={max(width, 600)},3000"
        dom = run(size, "--dump-dom", frame.as_uri())
        run(size, f"--screenshot={shot}", frame.as_uri())
        return json.loads(html.unescape(re.search(r"<title>(.*?)</title>", dom).group(1))), shot

    return show
