"""Pages out of templates: one file that needs nothing else, in which every value is escaped.

The one script that runs in a page is `page.js`, which sorts tables and picks lines out of figures. The page's own
Content-Security-Policy allows it by its digest and nothing besides, so a text that got through as HTML would not run.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from zipfit.report.wording import visible

if TYPE_CHECKING:
    from jinja2 import Environment, Template

_HERE = Path(__file__).parent


def template(name: str) -> Template:
    """A file of `templates`, to be rendered; it has the style and the script of all pages.

    Texts that it is rendered with are escaped, and what cannot be shown is replaced; `Markup` stays as it is.
    """
    return _environment().get_template(name)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    def harmless(value: object) -> object:
        return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    found = Environment(
        autoescape=True,
        finalize=harmless,
        keep_trailing_newline=True,
        loader=FileSystemLoader(_HERE / "templates"),
        lstrip_blocks=True,
        trim_blocks=True,
        undefined=StrictUndefined,
    )
    script = (_HERE / "page.js").read_text("utf-8")
    found.globals["style"] = Markup((_HERE / "page.css").read_text("utf-8"))
    found.globals["script"] = Markup(script)
    found.globals["script_digest"] = "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return found
