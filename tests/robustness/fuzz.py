"""Mutate recordings, streams, tables, specs and bundles: each raises a clear error or is used; none crashes or hangs.

Recordings, streams and tables that are used are compared with what others read of the same bytes.

Mutations come from a seeded generator (the suite's Hypothesis tests shrink failing cases); with ``--atheris``, where it
is installed, the same targets run under coverage-guided fuzzing.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

from asdkit import audio
from asdkit.errors import AsdkitError, BadAudio
from asdkit.text import error_line
from tests.helpers import csv_tables, stream_heads
from tests.helpers.audio_corpus import GOOD, flac, rf64, wav
from tests.helpers.mutate import mutate
from tests.robustness import rooms
from tests.robustness.figures import Figures

SECONDS, MEBIBYTES = 1.0, 500
Target = Callable[[bytes], bool]
Maker = Callable[[np.random.Generator], bytes]


def mutants(seeds: list[bytes], head: int) -> Maker:
    """Return a function that mutates one of the seeds, half of the changes in its first `head` bytes."""
    return lambda rng: mutate(seeds[int(rng.integers(len(seeds)))], rng, head)


def audio_target(folder: Path) -> Target:
    """Check and read a recording."""
    path = folder / "mutant.wav"

    def target(data: bytes) -> bool:
        path.write_bytes(data)
        try:
            info = audio.check(path)
        except BadAudio:
            return False
        try:
            wave = audio.read(path, sample_rate=info.sample_rate)
        except BadAudio as error:
            raise AssertionError(f"a file passes the check and cannot be read: {error.reason}") from None
        assert len(wave) == info.samples
        _require_like_soundfile(path, info, wave)
        return True

    return target


def _require_like_soundfile(path: Path, info: audio.AudioInfo, wave: audio.Wave) -> None:
    """Fail if libsndfile reads another sound, and no note says that the header is unusual."""
    if info.note or info.container == "BW64" or info.subtype == "PCM_24_PADDED":
        return
    try:
        frames, rate = soundfile.read(str(path), dtype="float64", always_2d=True)
    except soundfile.LibsndfileError:
        return  # what it refuses is read here: a format chunk that is longer, say
    mean = frames.mean(axis=1)
    scaled = wave / (32768 if wave.dtype == np.int16 else 1)
    assert (rate, len(mean)) == (info.sample_rate, info.samples), "libsndfile reads another length or rate"
    assert np.abs(mean - scaled).max() <= 1e-6 * max(1, np.abs(mean).max()), "libsndfile reads other samples"


def spec_target(folder: Path) -> Target:
    """Load a spec with the installed plugins."""
    from asdkit.plugins import discover
    from asdkit.spec import load_spec

    registry, path = discover(), folder / "spec.toml"

    def target(data: bytes) -> bool:
        path.write_bytes(data)
        try:
            load_spec(path, registry=registry)
        except AsdkitError:
            return False
        return True

    return target


def bundle_target(folder: Path) -> Target:
    """Open a bundle."""
    from asdkit.bundle import Bundle
    from asdkit.plugins import discover

    registry, path = discover(), folder / "mutant.asdkit"

    def target(data: bytes) -> bool:
        path.write_bytes(data)
        try:
            Bundle.load(path, registry=registry)
        except AsdkitError:
            return False
        return True

    return target


def watch_files() -> set[str]:
    """Return a set that gets each path that Python opens from now on, but for its own modules."""
    opened: set[str] = set()

    def note(event: str, args: tuple[object, ...]) -> None:
        if event == "open" and isinstance(args[0], str) and not args[0].endswith(".pyc"):
            opened.add(args[0])

    sys.addaudithook(note)
    open(__file__).close()
    assert __file__ in opened
    return opened


def check(name: str, target: Target, make: Maker, count: int, figures: Figures) -> None:
    """Call a target with `count` mutants; any error but those it expects is a crash."""
    rng = np.random.default_rng(0)
    opened = watch_files()
    target(make(rng))
    mine = set(opened)  # the mutant, and what is read on first use
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    used = 0
    slowest = 0.0
    crashes: list[str] = []
    for _ in range(count):
        data = make(rng)
        begin = time.process_time()
        try:
            used += target(data)
        except Exception as error:
            crashes.append(error_line(error, 200))
        slowest = max(slowest, time.process_time() - begin)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    figures.report(f"mutated {name}", f"{count:,}, {used:,} of them accepted", "", bool(used))
    figures.report("  crashes, other readings", "; ".join([str(len(crashes)), *crashes[:3]]), "0", not crashes)
    others = sorted(opened - mine)
    figures.report("  other files opened", ", ".join(others[:3]) or 0, "0", not others)
    figures.report("  slowest", f"{slowest:.3f} s of CPU", f"<= {SECONDS:.0f} s", slowest <= SECONDS)
    figures.report("  memory grew by", f"{grown:.0f} MiB", f"<= {MEBIBYTES} MiB", grown <= MEBIBYTES)


def make_targets(folder: Path) -> dict[str, tuple[Target, list[bytes], Maker]]:
    """Return by name: the target, seeds that it accepts, and what makes mutants."""
    sounds = (
        "plain.wav", "extensible.wav", "rf64.wav", "float.wav", "24-bit.wav", "16-bit.flac", "a-law.wav",
        "streamed-by-arecord.wav", "counts-the-file.wav", "tagged.flac",
    )  # fmt: skip
    unusual = [wav(bits=24, block=4), b"BW64" + rf64()[4:], flac(samples=0)]
    room = folder / "made"
    rooms.make_room(room / "room", 1, train=8)
    spec = rooms.make_spec(room, [rooms.KNN.format(i=1, n=1), rooms.TRAINED.format(epochs=2)], ["K1", "A"])
    for args in (["run", spec, "--out", "run"], ["export", "run", "--system", "all", "--out", "room.asdkit"]):
        ran = rooms.run(room, *args)
        assert ran.returncode == 0, ran.stderr
    table1 = (Path(__file__).parents[2] / "specs" / "dcase2020_table1.toml").read_bytes()
    recordings, specs = [GOOD[name] for name in sounds] + unusual, [spec.read_bytes(), table1]
    bundles = [(room / "room.asdkit").read_bytes()]
    streams = stream_heads.seeds()
    table = csv_tables.SEED.encode()
    targets = {
        "audio": (audio_target(folder), recordings, mutants(recordings, 100)),
        "streams": (
            stream_heads.stream_target,
            [streams[name] for name in streams if name not in stream_heads.REFUSED],
            mutants(list(streams.values()), stream_heads.HEAD),
        ),
        "tables": (csv_tables.table_target(folder), [table], csv_tables.make_table),
        "specs": (spec_target(folder), specs, mutants(specs, 4000)),
        "bundles": (bundle_target(folder), bundles, mutants(bundles, 400)),
    }
    for name, (target, seeds, _) in targets.items():
        assert all(target(seed) for seed in seeds), f"an unchanged seed of {name} is refused"
    return targets


def fuzz_by_coverage(target: Target, seeds: list[bytes], seconds: int) -> None:
    """Fuzz a target with atheris (libFuzzer); it ends the process with its own exit code."""
    import atheris

    atheris.instrument_all()  # without it, atheris cannot see which mutants reach new code
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(seeds):
            (Path(corpus) / str(number)).write_bytes(seed)
        limits = [f"-timeout={5}", f"-rss_limit_mb={4096}", f"-max_total_time={seconds}"]
        atheris.Setup([sys.argv[0], corpus, *limits], target)
        atheris.Fuzz()


def main(argv: list[str]) -> int:
    """Run the check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--audio", type=int, default=100_000)
    parser.add_argument("--streams", type=int, default=20_000)
    parser.add_argument("--tables", type=int, default=10_000)
    parser.add_argument("--specs", type=int, default=20_000)
    parser.add_argument("--bundles", type=int, default=5_000)
    parser.add_argument("--atheris", choices=("audio", "streams", "tables", "specs", "bundles"))
    parser.add_argument("--seconds", type=int, default=60, help="duration with atheris")
    options = parser.parse_args(argv)
    figures = Figures()
    with tempfile.TemporaryDirectory() as folder:
        targets = make_targets(Path(folder))
        if options.atheris:
            target, seeds, _ = targets[options.atheris]
            fuzz_by_coverage(target, seeds, options.seconds)
        for name, (target, _, make) in targets.items():
            check(name, target, make, getattr(options, name), figures)
    return figures.exit_code
