"""Templates of the pages: one style, one file a page, no script and no request."""

from __future__ import annotations

from importlib.resources import files
from typing import Any


def fill(template: str, **values: Any) -> str:
    """Fill a template of this package; text is escaped, `style` is the style sheet of all pages.

    Parameters
    ----------
    template
        Name of the file, such as ``"report.html"``.
    **values
        What it shows.
    """
    from jinja2 import Environment, FunctionLoader, StrictUndefined
    from markupsafe import Markup

    templates = files("asdkit.drawing") / "templates"
    environment = Environment(
        loader=FunctionLoader(lambda name: (templates / name).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = Markup((templates / "report.css").read_text(encoding="utf-8"))  # noqa: S704  ours
    return environment.get_template(template).render(style=style, **values)


def inline(drawing: Any, key: str) -> Any:
    """Return a drawing as markup for a template; `key` is unique on the page."""
    from markupsafe import Markup

    return Markup(drawing.inline(key))  # noqa: S704  escaped
