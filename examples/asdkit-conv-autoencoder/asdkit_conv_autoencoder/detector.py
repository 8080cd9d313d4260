"""The detector ``conv-autoencoder``: the network alone; asdkit trains, scores and stores it."""

from torch import nn

from asdkit.api import NetworkDetector, WindowNetwork


class ConvAutoencoder(NetworkDetector):
    """See `asdkit_conv_autoencoder.ConvAutoencoderConfig`."""

    def build(self, frames, bands, classes):
        return Network(self.config.channels, self.config.code)


class Network(WindowNetwork):
    """Two convolutions and poolings down to the code, and the same way back."""

    def __init__(self, channels, code):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(1, channels, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(channels, code, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        )  # fmt: skip
        self.decoder = nn.Sequential(
            nn.Upsample(scale_factor=2), nn.Conv2d(code, channels, 3, padding=1), nn.ReLU(),
            nn.Upsample(scale_factor=2), nn.Conv2d(channels, 1, 3, padding=1),
        )  # fmt: skip

    def loss(self, windows, targets):
        return self.score(windows).mean()

    def score(self, windows):
        rest = -windows.shape[2] % 4  # bands that the poolings would drop
        images = nn.functional.pad(windows[:, None], (0, rest))
        return (self.decoder(self.encoder(images)) - images).square().mean((1, 2, 3))
