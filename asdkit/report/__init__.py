"""The report of a finished run: one self-contained page, and its drawings as files."""

from asdkit.report.page import write_report

__all__ = ["write_report"]
