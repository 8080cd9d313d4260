"""The featurizer ``onnx-features``."""

import numpy as np
import onnxruntime

from asdkit.api import AsdkitError, frame_count

AT_ONCE = 64  # blocks of a call: bounded memory however long the recording


class OnnxFeatures:
    """Runs the network on overlapping blocks of a wave; an embedding has no unit, so its scale is linear."""

    scale = "linear"

    def __init__(self, config):
        self.block = self.reach = config.block
        self.hop = config.hop
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # asdkit fills several clips at once
        try:  # from bytes: onnxruntime then refuses weights in other files
            self.session = onnxruntime.InferenceSession(config.model.read(), options, ["CPUExecutionProvider"])
        except Exception as error:  # its exceptions have no common class
            raise AsdkitError(f"{config.model}: onnxruntime cannot load it: {error}") from None
        (self.input,), (output,) = self.session.get_inputs(), self.session.get_outputs()
        if len(self.input.shape) != 2 or len(output.shape) != 2 or not isinstance(output.shape[1], int):
            raise AsdkitError(
                f"{config.model}: from {self.input.shape} to {output.shape}",
                hint="Expected [batch, block] to [batch, n].",
            )
        self.bands = output.shape[1]

    def rows(self, n_samples):
        return frame_count(n_samples, n_fft=self.block, hop_length=self.hop, center=False)

    def fill(self, wave, sample_rate, out):
        blocks = np.lib.stride_tricks.sliding_window_view(wave, self.block)[:: self.hop]
        scale = np.float32(32768 if wave.dtype == np.int16 else 1)
        for first in range(0, len(out), AT_ONCE):
            part = blocks[first : first + AT_ONCE] / scale
            (out[first : first + AT_ONCE],) = self.session.run(None, {self.input.name: part})
