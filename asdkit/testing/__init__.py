"""Conformance checks for plugins, the built-in ones and third-party ones alike."""

from asdkit.testing.conformance import CheckResult, check_plugin, parametrize_with_checks

__all__ = ["CheckResult", "check_plugin", "parametrize_with_checks"]
