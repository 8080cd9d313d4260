"""A quick way from a spec's text to its settings or its faults."""

from __future__ import annotations

from pathlib import Path

import pytest
from spec_fakes import Faults, Load, fake_registry

from asdkit.errors import SpecError
from asdkit.plugins import Registry
from asdkit.spec import Spec, load_spec


@pytest.fixture
def registry() -> Registry:
    return fake_registry()


@pytest.fixture
def load(tmp_path: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Load a text as ``spec.toml``, as if called in its folder."""
    monkeypatch.chdir(tmp_path)

    def loaded(text: str, *sets: str) -> Spec:
        Path("spec.toml").write_bytes(text.encode())
        return load_spec(Path("spec.toml"), sets=sets, registry=registry)

    return loaded


@pytest.fixture
def faults(load: Load) -> Faults:
    """All faults of a text that has some."""

    def found(text: str, *sets: str) -> list[str]:
        with pytest.raises(SpecError) as error:
            load(text, *sets)
        return error.value.message.split("\n")

    return found
