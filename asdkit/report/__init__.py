"""The report of a finished run: one self-contained page, and its drawings as files."""

from asdkit.report.page import PAGE, PLOTS, write_report

__all__ = ["PAGE", "PLOTS", "write_report"]
