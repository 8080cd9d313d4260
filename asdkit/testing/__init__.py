"""Conformance checks for plugins: for the built-in ones and for third parties' alike."""

from asdkit.testing.conformance import CheckResult, check_plugin, parametrize_with_checks

__all__ = ["CheckResult", "check_plugin", "parametrize_with_checks"]
