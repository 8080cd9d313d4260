"""asdkit: anomalous sound detection from recordings of healthy machines."""

__version__ = "0.1.0"
