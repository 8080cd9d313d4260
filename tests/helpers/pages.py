"""Pages read as a browser reads them: elements, their attributes, and the visible text."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

EVIL = "<img src=x onerror=alert(1)>"
"""A name that does harm where it is not escaped."""

VOID = {"meta", "link", "br", "img"}


class Page(HTMLParser):
    """A parsed page.

    Attributes
    ----------
    elements
        Each element's name and attributes.
    shown
        The text outside style sheets.
    rows
        Text of the cells in each row of the results tables.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.shown = ""
        self.rows: list[list[str]] = []
        self.in_results = False
        self.text = path.read_text(encoding="utf-8")
        self.feed(self.text)
        self.close()
        assert self.open == [], "elements left open"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.in_results = ("class", "results") in attrs
        if self.in_results and tag == "tr":
            self.rows.append([])
        if self.in_results and tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" in self.open:
            return
        self.shown += data
        if self.in_results and ("td" in self.open or "th" in self.open) and "small" not in self.open:
            self.rows[-1][-1] += data

    def row(self, head: str, which: int = 0) -> list[str]:
        """Return the cells of the row that begins with `head`: of the `which`-th such row."""
        return [r for r in self.rows if r and r[0] == head][which]
