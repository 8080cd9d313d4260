"""How many frames a wave has: plain arithmetic, asked before any work, so free of Numba."""


def frame_count(n_samples: int, *, n_fft: int = 1024, hop_length: int = 512, center: bool = True) -> int:
    """How many frames a wave of `n_samples` samples has; without centring, none if it is shorter than `n_fft`."""
    if center:
        n_samples += 2 * (n_fft // 2)
    return 1 + (n_samples - n_fft) // hop_length if n_samples >= n_fft else 0
