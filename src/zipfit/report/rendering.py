"""Pages out of templates: one file that needs nothing else, in which every value is escaped.

The one script that runs in a page is `page.js`, which sorts tables and picks lines out of figures. The page's own
Content-Security-Policy allows it by its digest and nothing besides, so a text that got through as HTML would not run.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zipfit.report.wording import visible

if TYPE_CHECKING:
    from jinja2 import Environment

_HERE = Path(__file__).parent


def render(template: str, **values: Any) -> str:
    """Fill a template in; a page has the style and the script of all pages, after the style that it is given.

    Args:
        template: the name of a file in `templates`.
        values: what it names. Texts are escaped, and what cannot be shown is replaced; `Markup` stays as it is.
    """
    from markupsafe import Markup

    own = values.pop("style", "")
    css = (_HERE / "page.css").read_text("utf-8")
    script = (_HERE / "page.js").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    shared = {"style": Markup(own + css), "script": Markup(script), "script_digest": Markup(f"sha256-{digest}")}
    return _environment().get_template(template).render(**shared, **values)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    def harmless(value: object) -> object:
        return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    return Environment(
        autoescape=True,
        finalize=harmless,
        keep_trailing_newline=True,
        loader=FileSystemLoader(_HERE / "templates"),
        lstrip_blocks=True,
        trim_blocks=True,
        undefined=StrictUndefined,
    )
