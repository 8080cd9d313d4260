"""Fixtures that load a spec from its text, or return its faults."""

from __future__ import annotations

from pathlib import Path

import pytest

from asdkit.errors import SpecError
from asdkit.plugins import Registry
from asdkit.spec import Spec, load_spec
from tests.helpers.spec_plugins import Faults, Load, fake_registry


@pytest.fixture
def registry() -> Registry:
    return fake_registry()


@pytest.fixture
def load(tmp_path: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Load a text as ``spec.toml`` in the working folder."""
    monkeypatch.chdir(tmp_path)

    def load_text(text: str, *sets: str) -> Spec:
        Path("spec.toml").write_bytes(text.encode())
        return load_spec(Path("spec.toml"), sets=sets, registry=registry)

    return load_text


@pytest.fixture
def faults(load: Load) -> Faults:
    """Return all faults of a text that has some."""

    def faults_of(text: str, *sets: str) -> list[str]:
        with pytest.raises(SpecError) as error:
            load(text, *sets)
        return error.value.message.split("\n")

    return faults_of
