"""``python -m tests.robustness NAME ...`` runs one check; the options after its name are the check's."""

from __future__ import annotations

import importlib
import sys

NAMES = (
    "bad_audio", "fuzz", "onnx_mutants", "kills", "cluster", "full_disk", "bits", "audits", "planning", "plugins",
    "memory", "estimates", "scaling", "explain",
)  # fmt: skip

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in NAMES:
        sys.exit(f"expected one of: {', '.join(NAMES)}")
    sys.exit(importlib.import_module(f"tests.robustness.{sys.argv[1]}").main(sys.argv[2:]))
