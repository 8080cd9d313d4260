"""``asdkit explain``."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from asdkit.cli.console import DASH, message, note, print_table
from asdkit.cli.options import (
    BundleArgument,
    FileOption,
    IdOption,
    RateOption,
    RunMachineOption,
    SystemOption,
    ThresholdOption,
    VerifyOption,
    open_bundle,
    require_new_file,
)
from asdkit.errors import DataError, ExitCode, UsageError
from asdkit.text import printable

if TYPE_CHECKING:
    from asdkit.bundle.explain_recordings import ExplainedFile
    from asdkit.bundle.explained_page import Article

MAX_ON_PAGE = 60
"""Clips on a page; each takes about 250 kB."""


def explain(
    bundle: BundleArgument,
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILES...", help="Recordings, folders of them, patterns, or - for paths on stdin."),
    ],
    out: Annotated[Path | None, typer.Option("-o", "--out", metavar="FILE.html", help="Write a page.")] = None,
    png: Annotated[
        Path | None, typer.Option("--png", metavar="DIR", help="Write the pictures of each recording as PNG files.")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    id_: IdOption = None,
    system: SystemOption = None,
    machine: RunMachineOption = None,
    false_alarm_rate: RateOption = None,
    threshold: ThresholdOption = None,
    verify: VerifyOption = None,
    file: FileOption = None,
) -> None:
    """Explain the scores of recordings: when, at which frequency, by which members, and what is unlike healthy clips.

    Verdicts and times are those of `asdkit score`. Bad files are listed on standard error and the exit code is 1,
    or 4 if a plugin failed on one; the other files are explained.
    """
    from asdkit.bundle.explain_recordings import explain_files
    from asdkit.bundle.score_recordings import find_recordings

    _require_writable(out, png)
    opened = open_bundle(
        bundle,
        system,
        machine,
        id_=id_,
        false_alarm_rate=false_alarm_rate,
        threshold=threshold,
        verify=verify,
        files=file,
    )
    results = explain_files(opened, find_recordings(files, opened.description.containers, note), id_)
    output = _Output(out is not None, png)
    for result in results:
        output.add(result)
    if not (output.values or output.bad):
        raise DataError("no recordings found", hint="Name WAV or FLAC files, or folders of them.")
    output.print_(json_)
    if out is not None and output.articles:
        output.write_page(out)
    if output.bad:
        raise typer.Exit(int(ExitCode.PLUGIN if output.plugin_failed else ExitCode.PARTIAL))


class _Output:
    """What is printed and written of all recordings; pictures and sound are kept for the page alone.

    Parameters
    ----------
    page
        Whether there will be one.
    pictures
        Folder of the PNG files, or None.
    """

    def __init__(self, page: bool, pictures: Path | None) -> None:
        self._page, self._pictures = page, pictures
        self.values: list[dict[str, Any]] = []
        self.articles: list[Article] = []
        self.bad: list[tuple[str, str]] = []
        self.plugin_failed = False

    def add(self, result: ExplainedFile) -> None:
        """Add one recording."""
        from asdkit.bundle.explained_page import explained_values, make_article

        if result.explained is None:
            self.bad.append((result.path, result.reason))
            self.plugin_failed |= result.plugin_failed
            message(f"bad: {printable(result.path)}: {result.reason}")
            return
        self.values.append(explained_values(result.explained))
        on_page = self._page and len(self.articles) < MAX_ON_PAGE
        if on_page or self._pictures is not None:
            article = make_article(result.explained)
            if self._pictures is not None:
                _write_pictures(self._pictures, article)
            if on_page:
                self.articles.append(article)

    def print_(self, json_: bool) -> None:
        """Print a table, or JSON."""
        from asdkit.bundle.explained_page import frequency_text

        if json_:
            bad = [{"path": path, "reason": reason} for path, reason in self.bad]
            typer.echo(json.dumps({"explained": self.values, "bad": bad}, indent=1, allow_nan=False))
            return
        rows = []
        for values in self.values:
            worst, frequency, shares = values["worst_seconds"], values["worst_frequency"], values["shares"]
            rows.append(
                [
                    values["path"],
                    values["id"] + ("" if values["id_known"] else "?"),
                    values["verdict"],
                    DASH if worst is None else f"{worst:.2f} s",
                    DASH if frequency is None else frequency_text(frequency),
                    max(shares, key=shares.__getitem__) if shares else DASH,
                    "; ".join(finding["sentence"] for finding in values["findings"]) or DASH,
                ]
            )
        if rows:
            print_table(["path", "id", "verdict", "worst at", "around", "most by", "unlike healthy clips"], rows)
        for remark in dict.fromkeys(values["remark"] for values in self.values if values["remark"]):
            note(printable(remark))

    def write_page(self, out: Path) -> None:
        """Write the page."""
        from asdkit.bundle.explained_page import explained_page
        from asdkit.files import write_atomic

        left_out = [f"{path}: {reason}" for path, reason in self.bad]
        if more := len(self.values) - len(self.articles):
            left_out.append(f"{more} more recordings, to keep the page small: --json has all of them")
        text = explained_page(self.articles, title=out.stem, left_out=left_out)
        try:
            write_atomic(out, text.encode("utf-8", "backslashreplace"))
        except OSError as error:
            raise UsageError(f"{printable(str(out))}: cannot be written: {error.strerror}") from None
        message(f"{printable(str(out))}: {len(self.articles)} explained, {len(text) / 1e6:.1f} MB")


def _require_writable(out: Path | None, png: Path | None) -> None:
    if out is not None:
        require_new_file(out)
    if png is not None and png.exists() and not png.is_dir():
        raise UsageError(f"{printable(str(png))} is not a folder", hint="Name the folder of the pictures with --png.")


def _write_pictures(folder: Path, article: Article) -> None:
    """Write the pictures of one recording; the names hold a digest of its path, so that no two are the same."""
    from asdkit.text import file_name

    folder.mkdir(parents=True, exist_ok=True)
    path = article.explained.name
    digest = hashlib.sha256(path.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    for key, drawing in article.drawings.items():
        (folder / f"{file_name(Path(path).stem)}-{digest}_{key}.png").write_bytes(drawing.png)
