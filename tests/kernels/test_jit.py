"""When and how kernels are compiled, and where compiled code is kept. Each case is a process of its own."""

import os
import re
import stat
import subprocess
import sys
import textwrap

import numba
import numpy as np
import pytest

from asdkit.kernels import decibel, fft, frontend, jit, log_mel, mel, mel_spectrogram, patches, spectra, stft

MODULES = (decibel, fft, frontend, mel, patches, spectra)

GATHER = """
    import warnings, numba, numpy as np
    from asdkit.kernels.windows import _gather, gather
    frames = np.arange(40, dtype=np.float32).reshape(10, 4)
    found = gather(frames, np.array([3]), 2, np.empty((1, 2, 4), np.float32))
    assert np.array_equal(found[0], frames[3:5])
"""


def python(code, **env):
    """Run code in a new process."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, "NUMBA_DISABLE_JIT": "0", **env},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def dispatchers():
    return {
        f"{module.__name__}.{name}": value
        for module in MODULES
        for name, value in vars(module).items()
        if isinstance(value, numba.core.dispatcher.Dispatcher)
    }


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing is compiled")
def test_each_kernel_states_its_fastmath_flags_and_releases_the_gil():
    assert len(dispatchers()) > 10
    for name, dispatcher in dispatchers().items():
        assert dispatcher.targetoptions["fastmath"] is False, name
        assert dispatcher.targetoptions["nogil"] is True, name


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing is compiled")
def test_compiled_arithmetic_may_be_fused_and_nothing_else():
    fresh = numba.njit(decibel._decibels.py_func)
    fresh(np.ones((2, decibel.LANES), np.float32))
    code = fresh.inspect_llvm(fresh.signatures[0])
    assert re.search(r"= fmul contract <|fma", code)
    assert not re.search(r"= f(add|sub|mul|div|cmp)[a-z ]* (fast|nnan|ninf|nsz|arcp|afn|reassoc) ", code)


def test_importing_compiles_nothing_and_the_plugin_facade_does_without_numba():
    done = python("""
        import sys
        import asdkit.api, asdkit.kernels
        assert "numba" not in sys.modules
        from asdkit.kernels import frontend, patches
        from numba.core.dispatcher import Dispatcher
        found = [v for m in list(sys.modules.values()) if m.__name__.startswith("asdkit.kernels.")
                 for v in vars(m).values() if isinstance(v, Dispatcher)]
        assert len(found) > 10
        assert not any(d.overloads for d in found)
    """)
    assert done.returncode == 0, done.stderr


def test_compiled_code_is_kept_in_a_private_folder_and_found_again(tmp_path):
    env = {"NUMBA_CACHE_DIR": str(tmp_path)}
    first = python(GATHER + "    print(sum(_gather.stats.cache_hits.values()))", **env)
    assert (first.stdout.strip(), first.stderr) == ("0", "")
    (folder,) = (tmp_path / "asdkit").iterdir()
    assert folder.name.startswith("kernels-")
    if os.name == "posix":
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    second = python(GATHER + "    print(sum(_gather.stats.cache_hits.values()), numba.config.CACHE_DIR)", **env)
    assert second.stdout.split() == ["1", str(tmp_path)]


def test_an_unwritable_cache_is_told_once_and_harms_nothing(tmp_path):
    (tmp_path / "file").write_text("")
    done = python(GATHER, NUMBA_CACHE_DIR=str(tmp_path / "file"))
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("compiled kernels cannot be kept") == 1


@pytest.mark.skipif(os.name != "posix", reason="about owners and modes")
def test_a_folder_that_others_can_write_is_made_private_and_a_link_is_refused(tmp_path):
    loose = tmp_path / "loose"
    loose.mkdir(mode=0o777)
    loose.chmod(0o777)
    jit._make_private(loose)
    assert stat.S_IMODE(loose.stat().st_mode) == 0o700
    link = tmp_path / "link"
    link.symlink_to(loose)
    with pytest.raises(PermissionError):
        jit._make_private(link)


def test_damaged_compiled_code_is_compiled_again_with_a_note(tmp_path):
    env = {"NUMBA_CACHE_DIR": str(tmp_path)}
    assert python(GATHER, **env).returncode == 0
    for file in tmp_path.rglob("*.nb[ci]"):
        file.write_bytes(file.read_bytes()[:20])
    done = python(GATHER, **env)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("compiled kernels cannot be kept") == 1


def test_kernels_without_the_jit_give_the_same(tmp_path):
    done = python(
        """
        import sys, numpy as np
        from asdkit.kernels import draw, gather, log_mel, mel_spectrogram, stft
        rng = np.random.default_rng(0)
        wave = rng.standard_normal(1200).astype(np.float32)
        frames = log_mel((wave * 9000).astype(np.int16), n_fft=256, hop_length=100, n_mels=20)
        stats = np.ones((2, 20), np.float32)
        np.savez(sys.argv[1] if len(sys.argv) > 1 else "found.npz",
            stft_64=stft(wave, n_fft=64, hop_length=32, pad_mode="reflect"),
            stft_512=stft(wave, n_fft=512, hop_length=700, power=1),
            stft_100=stft(wave, n_fft=100, hop_length=50),
            mel=mel_spectrogram(wave, n_fft=256, hop_length=500, center=False),
            frames=frames,
            windows=gather(frames, np.array([0, 3]), 5, np.empty((2, 5, 20), np.float32), *stats),
            drawn=draw(np.array([0, 5, 9]), rng, 3),
        )
        """.replace('sys.argv[1] if len(sys.argv) > 1 else "found.npz"', repr(str(tmp_path / "found.npz"))),
        NUMBA_DISABLE_JIT="1",
    )
    assert done.returncode == 0, done.stderr
    found = np.load(tmp_path / "found.npz")
    rng = np.random.default_rng(0)
    wave = rng.standard_normal(1200).astype(np.float32)
    expected = {
        "stft_64": stft(wave, n_fft=64, hop_length=32, pad_mode="reflect"),
        "stft_512": stft(wave, n_fft=512, hop_length=700, power=1),
        "stft_100": stft(wave, n_fft=100, hop_length=50),
        "mel": mel_spectrogram(wave, n_fft=256, hop_length=500, center=False),
    }
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, atol=1e-6 * value.max(), err_msg=name)
    frames = log_mel((wave * 9000).astype(np.int16), n_fft=256, hop_length=100, n_mels=20)
    np.testing.assert_allclose(found["frames"], frames, atol=1e-3)
    windows = patches.gather(frames, np.array([0, 3]), 5, np.empty((2, 5, 20), np.float32), *np.ones((2, 20), "f"))
    np.testing.assert_allclose(found["windows"], windows, atol=1e-3)
    np.testing.assert_array_equal(found["drawn"], patches.draw(np.array([0, 5, 9]), rng, 3))
