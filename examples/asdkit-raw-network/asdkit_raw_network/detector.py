"""The detector ``raw-network``: the network alone; asdkit trains, scores and stores it."""

from torch import nn

from asdkit.api import NetworkDetector, WindowNetwork


class RawNetwork(NetworkDetector):
    """See `asdkit_raw_network.RawNetworkConfig`."""

    def build(self, frames, bands, classes):
        return Network(self.config.channels, self.config.code)


class Network(WindowNetwork):
    """Two convolutions that go on by 4 samples, and the same way back."""

    def __init__(self, channels, code):
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv1d(1, channels, 16, 4, 6), nn.ReLU(), nn.Conv1d(channels, code, 8, 4, 2))
        self.decoder = nn.Sequential(
            nn.ConvTranspose1d(code, channels, 8, 4, 2), nn.ReLU(), nn.ConvTranspose1d(channels, 1, 16, 4, 6)
        )

    def loss(self, windows, targets):
        return self.score(windows).mean()

    def score(self, windows):
        wave = windows.flatten(1)[:, None]
        wave = nn.functional.pad(wave, (0, -wave.shape[2] % 16))
        return (self.decoder(self.encoder(wave)) - wave).square().mean((1, 2))
