"""The TOML file beside a model: what the network takes and gives, where it is from, and its digest."""

from __future__ import annotations

import tomllib
from typing import Annotated, Final, Literal

from pydantic import ValidationError, model_validator

from asdkit.api import Config, Field

MAX_BYTES: Final = 1 << 16
_Line = Annotated[str, Field(min_length=1, max_length=300, pattern=r"^[^\r\n]+$")]
_Size = Annotated[int, Field(ge=1, le=1 << 24)]


class Samples(Config):
    """The network takes blocks of samples, full scale 1."""

    kind: Literal["samples"]
    block: _Size = Field(description="samples of a block")
    hop: _Size = Field(description="samples from one block to the next")


class LogMel(Config):
    """The network takes blocks of a log-mel spectrogram: ``(log(factor mel + offset) - mean) / deviation``."""

    kind: Literal["log-mel"]
    block: _Size = Field(description="frames of a block")
    hop: _Size = Field(description="frames from one block to the next")
    n_fft: int = Field(ge=16, le=65536, description="samples of the transform")
    window: int = Field(ge=16, le=65536, description="samples of the periodic Hann window")
    hop_length: int = Field(ge=1, le=65536, description="samples from one frame to the next")
    n_mels: int = Field(ge=1, le=4096, description="mel bands")
    fmin: float = Field(ge=0, description="lowest frequency, Hz")
    fmax: float = Field(gt=0, description="highest frequency, Hz")
    scale: Literal["htk", "slaney"] = Field(description="mel scale")
    norm: Literal["none", "slaney", "sum"] = Field(
        description="filters: peak one, Slaney's (librosa), or weights that sum to one"
    )
    power: Literal[1, 2] = Field(description="of the magnitude")
    center: bool = Field(description="frames centred on their time")
    pad: Literal["constant", "reflect"] = Field("constant", description="of centred frames at the ends of a recording")
    log: Literal["ln", "log10", "db"] = Field(description="natural, to base ten, or ten times that")
    factor: float = Field(1.0, gt=0, description="of the mel spectrogram")
    offset: float = Field(0.0, ge=0, description="added before the logarithm")
    floor: float = Field(1e-10, gt=0, description="smallest argument of the logarithm")
    mean: float = Field(0.0, description="subtracted from the logarithm")
    deviation: float = Field(1.0, gt=0, description="the rest is divided by it")
    level: Literal["as-is", "peak"] = Field("as-is", description="peak: the recording is divided by its largest sample")
    order: Literal["time-mel", "mel-time"] = Field("time-mel", description="dimensions of the network's input")

    @model_validator(mode="after")
    def _consistent(self) -> LogMel:
        if self.window > self.n_fft:
            raise ValueError(f"window ({self.window}) must be at most n_fft ({self.n_fft})")
        if self.fmax <= self.fmin:
            raise ValueError(f"fmax ({self.fmax}) must be above fmin ({self.fmin})")
        return self


class Description(Config):
    """A model's description."""

    name: _Line = Field(description="of the model")
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="digest of the ONNX file")
    licence: _Line = Field(description="of the weights")
    source: _Line = Field(description="where the weights are from")
    sample_rate: int = Field(ge=1000, le=768_000, description="Hz")
    output: _Line = Field(description="name of the output: [batch, numbers] or [batch, time, numbers]")
    input: Samples | LogMel = Field(discriminator="kind", description="what the network takes")

    @model_validator(mode="after")
    def _below_half(self) -> Description:
        if isinstance(self.input, LogMel) and self.input.fmax > self.sample_rate / 2:
            raise ValueError(f"fmax ({self.input.fmax}) must be at most half of sample_rate ({self.sample_rate})")
        return self

    @property
    def block_shape(self) -> tuple[int, ...]:
        """Shape of one block: ``(samples,)``, ``(frames, mels)`` or ``(mels, frames)``."""
        given = self.input
        if isinstance(given, Samples):
            return (given.block,)
        shape = (given.block, given.n_mels)
        return shape if given.order == "time-mel" else shape[::-1]


def read_description(data: bytes) -> Description:
    """Read the bytes of a description.

    Raises
    ------
    ValueError
        If they are not TOML, or a key is missing, unknown or wrong; says which in one line.
    """
    if len(data) > MAX_BYTES:
        raise ValueError(f"has {len(data):,} bytes; expected at most {MAX_BYTES:,}")
    try:
        values = tomllib.loads(data.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ValueError(f"is not TOML: {' '.join(str(error).split())[:200]}") from None
    try:
        return Description.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"] if part not in ("samples", "log-mel"))
        text = " ".join(first["msg"].split()).removeprefix("Value error, ")[:200]
        raise ValueError(f"{where}: {text}" if where else text) from None


def write_description(description: Description) -> bytes:
    """Return the TOML of a description."""
    lines = ["# Description of a pretrained network for asdkit's featurizer onnx-embedding (docs/pretrained.md)"]
    values = description.model_dump()
    given = values.pop("input")
    lines += [f"{key} = {_toml(value)}" for key, value in values.items()]
    lines += ["", "[input]", *(f"{key} = {_toml(value)}" for key, value in given.items())]
    return ("\n".join(lines) + "\n").encode()


def _toml(value: object) -> str:
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return str(value).lower() if isinstance(value, bool) else repr(value)
