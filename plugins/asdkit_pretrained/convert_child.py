"""The child process of `asdkit models convert`: reads the published file, writes a graph, compares the two."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from asdkit_pretrained.catalogue import MODELS, KnownModel
from asdkit_pretrained.convert import limit_this_process

FloatArray = npt.NDArray[np.float32]
_BATCHES = (1, 3, 5)


def main() -> None:
    """Do what ``request.json`` in the folder of the command line asks for; write ``answer.json`` there."""
    folder = Path(sys.argv[1])
    request = json.loads((folder / "request.json").read_text())
    sys.path[:] = request["sys.path"]
    limit_this_process()
    try:
        answer = _convert(Path(request["path"]), folder, request)
    except MemoryError:
        answer = {"error": "takes too much memory"}
    except Exception as error:
        text = " ".join(str(error).split()) or type(error).__name__
        answer = {"error": text[:300]}
    (folder / "answer.json").write_text(json.dumps(answer))


def _convert(path: Path, folder: Path, request: dict[str, Any]) -> dict[str, Any]:
    known = [model for model in MODELS if model.name in request["names"]]
    with path.open("rb") as file:
        start = file.read(2)
    if path.suffix in (".pth", ".pt", ".ckpt", ".bin") or start in (b"PK", b"\x80\x02"):
        model, graph, run = _from_checkpoint(path, [each for each in known if each.layout])
    else:
        model, graph, run = _from_onnx(path, [each for each in known if each.cut], request["largest"])
    from asdkit.api import OnnxModel

    try:
        converted = OnnxModel(graph)
    except ValueError as error:
        raise ValueError(f"its graph is refused: {error}") from None
    (folder / "model.onnx").write_bytes(graph)
    difference = max(_differences(converted, run))
    return {"name": model.name, "output": converted.output, "difference": difference}


def _from_checkpoint(path: Path, known: list[KnownModel]) -> tuple[KnownModel, bytes, Callable[[FloatArray], Any]]:
    """Load a checkpoint of PyTorch, tensors and numbers alone; return the model, its graph, and torch's function."""
    from asdkit.api import export_onnx
    from asdkit_pretrained import networks

    weights = _tensors(_loaded(path))
    causes = []
    for model in known:
        try:
            network = networks.load_network(getattr(networks, model.layout), weights)
        except ValueError as error:
            causes.append(f"{model.name}: {error}")
            continue
        transform = weights.get("spectrogram_extractor.stft.conv_real.weight")  # of PANNs, for another sample rate
        assert model.input is not None
        if transform is not None and transform.shape[-1] != model.input.n_fft:
            causes.append(f"{model.name}: its transform has {transform.shape[-1]} samples, not {model.input.n_fft}")
            continue
        example = np.zeros((3, model.input.block, model.input.n_mels), np.float32)
        graph = export_onnx(network, example, input_name="spectrogram", output_name="embedding")
        return model, graph, partial(_run_torch, network)
    raise ValueError(f"its weights are of none of the networks that asdkit has: {'; '.join(causes)}")


def _run_torch(network: Any, batch: FloatArray) -> Any:
    import torch

    with torch.inference_mode():
        return network(torch.from_numpy(batch)).numpy()


def _loaded(path: Path) -> Any:
    """Return what a checkpoint holds: tensors, and numbers of NumPy; anything else is refused by torch."""
    import pickle

    import torch
    from numpy._core import multiarray

    scalars: list[Any] = [
        (multiarray.scalar, f"{package}.multiarray.scalar") for package in ("numpy.core", "numpy._core")
    ]
    types: list[Any] = [np.dtype, *{type(np.dtype(code)) for code in "?bhilBHILefd"}]
    try:
        with torch.serialization.safe_globals([*scalars, *types]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        detail = " ".join(str(error).split("WeightsUnpickler error:")[-1].split()).partition(". ")[0][:120]
        raise ValueError(f"holds more than weights, so it is not loaded: {detail}") from None


def _tensors(content: Any, depth: int = 3) -> dict[str, Any]:
    """Return the largest dictionary of tensors in a checkpoint."""
    import torch

    found: dict[str, Any] = {}
    if isinstance(content, dict):
        found = {key: value for key, value in content.items() if isinstance(key, str) and torch.is_tensor(value)}
    if depth and isinstance(content, dict | list | tuple):
        inner = content.values() if isinstance(content, dict) else content
        found = max([found, *(_tensors(value, depth - 1) for value in inner)], key=len)
    return found


def _from_onnx(
    path: Path, known: list[KnownModel], largest: int
) -> tuple[KnownModel, bytes, Callable[[FloatArray], Any]]:
    """Cut a published graph at its embedding; return the model, its graph, and the published one's function."""
    import onnx
    import onnxruntime

    from asdkit_pretrained.onnx_source import plain_graph, read_published

    published = read_published(path, largest)
    values = {name for node in published.graph.node for name in node.output}
    fitting = [model for model in known if model.cut in values]
    if not fitting:
        raise ValueError("it is none of the ONNX files that asdkit knows; `asdkit models check` checks others")
    model = fitting[0]
    graph, shape = plain_graph(published, model.cut)
    published.graph.output.append(onnx.helper.make_empty_tensor_value_info(model.cut))
    session = onnxruntime.InferenceSession(published.SerializeToString(), providers=["CPUExecutionProvider"])
    [given] = session.get_inputs()
    constants = {each.name: onnx.numpy_helper.to_array(each) for each in published.graph.initializer}

    def run(batch: FloatArray) -> Any:
        blocks: npt.NDArray[Any] = batch.reshape(len(batch), 1, *shape)
        if given.type == "tensor(uint8)":
            [reader] = [node for node in published.graph.node if given.name in node.input]
            scale, zero = (constants[name] for name in reader.input[1:])
            blocks = np.clip(np.rint(blocks / scale) + zero, 0, 255).astype(np.uint8)
        return np.concatenate([session.run([model.cut], {given.name: block})[0].reshape(1, -1) for block in blocks])

    return model, graph, run


def _differences(converted: Any, run: Callable[[FloatArray], Any]) -> Iterator[float]:
    """Yield the largest difference of each of some batches of noise, as a share of the largest number."""
    rng = np.random.default_rng(0)
    for size in _BATCHES:
        batch = rng.standard_normal((size, *(n for n in converted.input_shape)), np.float32)
        expected = run(batch)
        difference = np.abs(converted.run(batch) - expected).max()
        yield float(difference / max(float(np.abs(expected).max()), 1e-12))
