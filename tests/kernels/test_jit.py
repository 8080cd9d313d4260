"""When and how kernels are compiled, and where compiled code is stored."""

import os
import re
import shutil
import stat
import subprocess
import sys
import textwrap

import numba
import numpy as np
import pytest

from asdkit.kernels import (
    bootstrap,
    draw,
    fft,
    gather,
    jit,
    log_mel,
    log_mel_plain,
    log_mel_simd,
    mel_spectrogram,
    stft,
    windows,
)

MODULES = (bootstrap, fft, log_mel_plain, log_mel_simd, windows)

GATHER = """
    import numba, numpy as np
    from asdkit.kernels.windows import _gather, gather
    frames = np.arange(40, dtype=np.float32).reshape(10, 4)
    result = gather(frames, np.array([3]), 2, np.empty((1, 2, 4), np.float32))
    assert np.array_equal(result[0], frames[3:5])
    print(sum(_gather.stats.cache_hits.values()), numba.config.CACHE_DIR)
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
def test_kernels_set_no_fastmath_flag_and_release_the_gil():
    assert len(dispatchers()) > 10
    for name, dispatcher in dispatchers().items():
        assert dispatcher.targetoptions["fastmath"] is False, name
        assert dispatcher.targetoptions["nogil"] is True, name


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing is compiled")
def test_compiled_arithmetic_may_be_fused_only():
    compiled = numba.njit(log_mel_simd._decibels.py_func)
    compiled(np.ones((2, log_mel_simd.LANES), np.float32))
    code = compiled.inspect_llvm(compiled.signatures[0])
    assert re.search(r"= fmul contract <|fma", code)
    assert not re.search(r"= f(add|sub|mul|div|cmp)[a-z ]* (fast|nnan|ninf|nsz|arcp|afn|reassoc) ", code)


def test_imports_are_light_and_each_kernel_compiles_once():
    result = python("""
        import sys
        import numpy as np
        import asdkit.api, asdkit.kernels
        assert "numba" not in sys.modules
        from asdkit.kernels import bootstrap, jit, log_mel, windows
        assert "asdkit.kernels.simd" not in sys.modules
        from asdkit.kernels import log_mel_plain, log_mel_simd
        from numba.core.dispatcher import Dispatcher
        kernels = [v for m in list(sys.modules.values()) if m.__name__.startswith("asdkit.kernels.")
                   for v in vars(m).values() if isinstance(v, Dispatcher)]
        assert len(kernels) > 10
        assert not any(kernel.overloads for kernel in kernels)
        log_mel(np.zeros(1000, np.float32), n_fft=64, hop_length=32)
        assert len(log_mel_simd._band_rows.overloads) == 1
        assert not log_mel_plain._band_rows.overloads
    """)
    assert result.returncode == 0, result.stderr


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Folder that one process has filled with compiled code."""
    folder = tmp_path_factory.mktemp("cache")
    result = python(GATHER, NUMBA_CACHE_DIR=str(folder))
    assert (result.stdout.split(), result.stderr) == (["0", str(folder)], "")
    return folder


def test_compiled_code_is_reused_from_a_private_folder(cache):
    (folder,) = (cache / "asdkit").iterdir()
    assert folder.name.startswith("kernels-")
    if os.name == "posix":
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert python(GATHER, NUMBA_CACHE_DIR=str(cache)).stdout.split() == ["1", str(cache)]


def test_damaged_code_is_compiled_again_with_a_warning(cache, tmp_path):
    shutil.copytree(cache, tmp_path / "damaged")
    for file in (tmp_path / "damaged").rglob("*.nb[ci]"):
        file.write_bytes(file.read_bytes()[:20])
    result = python(GATHER, NUMBA_CACHE_DIR=str(tmp_path / "damaged"))
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("compiled kernels cannot be cached") == 1


def test_unwritable_cache_gives_one_warning(tmp_path):
    (tmp_path / "file").write_text("")
    result = python(GATHER, NUMBA_CACHE_DIR=str(tmp_path / "file"))
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("compiled kernels cannot be cached") == 1


@pytest.mark.skipif(os.name != "posix", reason="about owners and modes")
def test_loose_folder_is_made_private_and_link_refused(tmp_path):
    loose = tmp_path / "loose"
    loose.mkdir(mode=0o777)
    loose.chmod(0o777)
    jit._make_private(loose)
    assert stat.S_IMODE(loose.stat().st_mode) == 0o700
    link = tmp_path / "link"
    link.symlink_to(loose)
    with pytest.raises(PermissionError):
        jit._make_private(link)


def test_function_without_source_file_is_compiled():
    namespace = {}
    exec("def twice(number):\n    return 2 * number", namespace)
    assert jit.kernel(namespace["twice"])(21) == 42


def results():
    rng = np.random.default_rng(0)
    wave = rng.standard_normal(1200).astype(np.float32)
    frames = log_mel((wave * 9000).astype(np.int16), n_fft=256, hop_length=100, n_mels=20)
    out, ones = np.empty((2, 5, 20), np.float32), np.ones((2, 20), np.float32)
    return {
        "stft_64": stft(wave, n_fft=64, hop_length=32, pad_mode="reflect"),
        "stft_512": stft(wave, n_fft=512, hop_length=700, power=1),
        "stft_100": stft(wave, n_fft=100, hop_length=50),
        "mel": mel_spectrogram(wave, n_fft=256, hop_length=500, center=False),
        "frames": frames,
        "windows": gather(frames, np.array([0, 3]), 5, out, *ones),
        "indices": draw(np.array([0, 5, 9]), rng, 3),
    }


def test_results_without_the_jit_agree(tmp_path):
    file = str(tmp_path / "results.npz")
    code = f"import numpy; from tests.kernels.test_jit import results; numpy.savez({file!r}, **results())"
    result = python(code, NUMBA_DISABLE_JIT="1")
    assert (result.returncode, result.stderr) == (0, "")
    interpreted, compiled = np.load(file), results()
    for name in ("stft_64", "stft_512", "stft_100", "mel"):
        np.testing.assert_allclose(interpreted[name], compiled[name], atol=1e-6 * compiled[name].max(), err_msg=name)
    np.testing.assert_allclose(interpreted["frames"], compiled["frames"], atol=1e-3)
    np.testing.assert_allclose(interpreted["windows"], compiled["windows"], atol=1e-3)
    np.testing.assert_array_equal(interpreted["indices"], compiled["indices"])
