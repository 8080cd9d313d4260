"""The synthetic machine room: the same bytes each time, physical in kind, and neither trivial nor hopeless."""

from __future__ import annotations

import csv
import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.signal import hilbert, stft
from sklearn.metrics import roc_auc_score

from asdkit.data import Clip, find_clips
from asdkit.data.demo import make_machine_room
from asdkit.data.demo.machines import MACHINES, OUTER_RACE, bearing, leakage, looseness, squeal
from asdkit.data.demo.room import RATE, DemoRecording, record
from asdkit.data.demo.waveforms import Signal, Take, band, noise, passings, ringing, strikes_at, tones, turns
from asdkit.errors import UsageError

SMALL = {"ids": 2, "train": 2, "normal": 1, "anomaly": 2, "seconds": 0.5}


def digests(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_file()
    }


def take(seconds: float = 4.0, seed: int = 0) -> Take:
    return Take(np.random.default_rng(seed), round(seconds * RATE), RATE)


def spectrum(signal: Signal) -> Signal:
    """Power at each frequency; a bin is 1 / length Hz."""
    power: Signal = np.abs(np.fft.rfft(signal * np.hanning(len(signal)))) ** 2
    return power


def power_between(signal: Signal, low: float, high: float) -> float:
    """Share of the power between two frequencies [Hz]."""
    power = spectrum(signal)
    frequencies = np.fft.rfftfreq(len(signal), 1 / RATE)
    return float(power[(frequencies >= low) & (frequencies < high)].sum() / power.sum())


def test_the_seed_determines_the_bytes(tmp_path: Path) -> None:
    for name, seed in (("one", 3), ("two", 3), ("three", 4)):
        make_machine_room(tmp_path / name, seed=seed, **SMALL)
    one, two, three = (digests(tmp_path / name) for name in ("one", "two", "three"))
    assert one == two
    assert one.keys() == three.keys()
    assert all(one[name] != three[name] for name in one if name.endswith(".wav"))


def test_more_machines_do_not_change_the_others(tmp_path: Path) -> None:
    make_machine_room(tmp_path / "more", **SMALL)
    make_machine_room(tmp_path / "less", **{**SMALL, "ids": 1}, machines=["valve"])
    more, less = digests(tmp_path / "more"), digests(tmp_path / "less")
    waves = [name for name in less if name.endswith(".wav")]
    assert len(waves) == 5
    assert all(less[name] == more[name] for name in waves)


def test_every_recording_differs(tmp_path: Path) -> None:
    make_machine_room(tmp_path, **SMALL)
    found = digests(tmp_path)
    assert len(set(found.values())) == len(found)


def test_the_room_has_the_dcase2020_layout(tmp_path: Path) -> None:
    make_machine_room(tmp_path, seconds=0.1)
    clips = {clip.name: clip for clip in find_clips("dcase2020", tmp_path)}
    with (tmp_path / "manifest.csv").open() as file:
        rows = {row["path"]: row for row in csv.DictReader(file)}
    assert clips.keys() == rows.keys()
    assert len(clips) == 4 * 3 * (14 + 8 + 8)
    for name, clip in clips.items():
        row = rows[name]
        assert (clip.machine, clip.id, clip.split) == (row["machine"], row["id"], row["split"])
        assert clip.label == {"normal": 0, "anomaly": 1}[row["label"]]
        assert (row["fault"] in MACHINES[clip.machine].faults) == (clip.label == 1)
        assert (row["severity"] == "") == (clip.label == 0)
    severities = [float(row["severity"]) for row in rows.values() if row["machine"] == "fan" and row["severity"]]
    assert severities == [1 / 8, 2 / 8, 3 / 8, 4 / 8, 5 / 8, 6 / 8, 7 / 8, 1] * 3


def test_recordings_are_16_khz_mono_without_clipping(tmp_path: Path) -> None:
    make_machine_room(tmp_path, **{**SMALL, "ids": 4, "seconds": 2.0})
    for path in tmp_path.rglob("*.wav"):
        info = soundfile.info(path)
        assert (info.samplerate, info.channels, info.subtype, info.frames) == (RATE, 1, "PCM_16", 2 * RATE)
        peak = np.abs(soundfile.read(path, dtype="int16")[0].astype(int)).max()
        assert 300 < peak < 32767, path


def test_an_unknown_machine_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match='no "fen"; did you mean "fan"'):
        make_machine_room(tmp_path, machines=["fen"])
    assert not list(tmp_path.iterdir())


# What the sounds are made of.


def test_tones_lie_at_the_orders_of_the_shaft() -> None:
    some = take()
    sound = tones(some, turns(some, 50.0), np.array([1.0, 0.0, 0.5]))
    assert power_between(sound, 49, 51) == pytest.approx(0.8, abs=1e-3)
    assert power_between(sound, 149, 151) == pytest.approx(0.2, abs=1e-3)


def test_noise_has_power_one_in_its_band() -> None:
    some = take()
    sound = noise(some, band(some, 1000.0, 0.1))
    assert np.mean(sound**2) == pytest.approx(1.0)
    assert power_between(sound, 1000 * 2**-0.3, 1000 * 2**0.3) > 0.99


def test_a_resonance_rings_and_decays() -> None:
    some = take()
    sound = ringing(some, strikes_at(some, [1000]), 2000.0, 0.01)
    assert not sound[:1000].any()
    assert np.abs(np.fft.rfftfreq(some.samples, 1 / RATE)[np.argmax(spectrum(sound))] - 2000) < 20
    envelope = np.abs(hilbert(sound))
    assert envelope[1000 + 320] / envelope[1000 + 160] == pytest.approx(np.exp(-1), rel=0.02)  # 10 ms later


def test_strikes_outside_the_recording_are_left_out() -> None:
    assert strikes_at(take(0.1), [-1, 5, 1600], [1.0, 2.0, 4.0]).sum() == 2.0


def test_a_bearing_fault_has_its_outer_race_frequency() -> None:
    some = take()
    envelope = np.abs(hilbert(bearing(some, turns(some, 30.0), 3000.0)))
    power = spectrum(envelope - envelope.mean())
    frequencies = np.fft.rfftfreq(some.samples, 1 / RATE)
    below_200 = frequencies < 200
    assert frequencies[below_200][np.argmax(power[below_200])] == pytest.approx(OUTER_RACE * 30.0, abs=1.0)


def test_a_loose_mount_sounds_at_half_orders() -> None:
    some = take()
    sound = looseness(some, turns(some, 30.0), 1000.0)
    halves = sum(power_between(sound, order * 30 - 1, order * 30 + 1) for order in (0.5, 1.5, 2.5, 3.5))
    wholes = sum(power_between(sound, order * 30 - 1, order * 30 + 1) for order in (1, 2, 3, 4))
    assert halves > 100 * wholes


def test_a_leak_is_audible_only_under_pressure() -> None:
    some = take()
    pressure = (some.seconds % 1.0 < 0.25).astype(float)
    sound = leakage(some, 2000.0, pressure)
    assert not sound[pressure == 0].any()
    assert power_between(sound, 500, 8000) > 0.95


def test_a_slipping_belt_squeals_in_bursts() -> None:
    some = take()
    bursts = (some.seconds % 1.0 < 0.2).astype(float)
    sound = squeal(some, bursts, 1800.0)
    assert not sound[bursts == 0].any()
    assert power_between(sound, 1300, 1900) > 0.5


@pytest.mark.parametrize("machine", MACHINES)
def test_normal_sound_and_faults_have_power_one(machine: str) -> None:
    some = take()
    for sound in MACHINES[machine](some.rng, 1.0).record(some, 1.0):
        assert np.mean(sound**2) == pytest.approx(1.0)
        assert np.isfinite(sound).all()


def test_passings_are_as_many_as_the_shaft_turns() -> None:
    some = take()
    assert len(passings(turns(some, 10.0), 3.0)) in (119, 120)


# What a recording is.


@pytest.mark.parametrize(
    ("machine", "fault", "low", "high"),
    [("fan", "bearing", 2700, 3300), ("pump", "bearing", 3400, 4200), ("slider", "bearing", 3200, 4000)],
)
def test_a_severer_fault_has_more_energy(machine: str, fault: str, low: float, high: float) -> None:
    mild = DemoRecording(f"{machine}/a.wav", machine, "00", "test", "anomaly", fault, 0.25)
    shares = [
        power_between(record(replace(mild, severity=severity), 0, 4 * RATE) / 32768, low, high)
        for severity in (0.0, 0.5, 0.75, 1.0)
    ]
    assert shares == sorted(shares)
    assert shares[-1] > 2 * shares[0]


@pytest.mark.parametrize("machine", ["fan", "pump"])
def test_a_graver_fault_drags_the_machine_down(machine: str) -> None:
    """The strongest order falls with severity by up to an eighth."""
    peaks = []
    for severity in (0.0, 0.5, 1.0):
        one = DemoRecording("same.wav", machine, "00", "test", "anomaly", "bearing", severity)
        power = spectrum(record(one, 0, 4 * RATE) / 32768)
        frequencies = np.fft.rfftfreq(4 * RATE, 1 / RATE)
        audible = (frequencies > 150) & (frequencies < 400)
        peaks.append(frequencies[audible][np.argmax(power[audible])])
    assert peaks[1] / peaks[0] == pytest.approx(0.94, abs=0.01)
    assert peaks[2] / peaks[0] == pytest.approx(0.88, abs=0.01)


def test_healthy_levels_vary_by_several_decibels() -> None:
    waves = [record(DemoRecording(f"{n}", "fan", "00", "train", "normal"), 0, RATE) / 32768 for n in range(20)]
    levels = [10 * np.log10(np.mean(wave**2)) for wave in waves]
    assert 1.5 < np.std(levels) < 4.0
    assert np.mean(levels) == pytest.approx(-34, abs=2)


# What a detector makes of the room.


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("room")
    make_machine_room(root)
    return root


def log_spectrum(clip: Clip) -> Signal:
    """Mean and deviation over time of the log spectrum in 32 bands [dB]."""
    wave, rate = soundfile.read(clip.path)
    power = np.abs(stft(wave, rate, nperseg=1024)[2][1:]) ** 2
    edges = np.unique(np.geomspace(1, 512, 33).astype(int))
    bands = 10 * np.log10(np.add.reduceat(power, edges[:-1] - 1, axis=0))
    return np.concatenate([bands.mean(axis=1), bands.std(axis=1)])


def aucs(clips: list[Clip], scores: Signal) -> list[float]:
    """AUC of each machine and id."""
    test = [(clip.machine, clip.id, clip.label, score) for clip, score in zip(clips, scores, strict=True)]
    found = []
    for unit_name in sorted({row[:2] for row in test}):
        rows = [row for row in test if row[:2] == unit_name]
        found.append(float(roc_auc_score([row[2] for row in rows], [row[3] for row in rows])))
    return found


def test_level_tells_next_to_nothing(room: Path) -> None:
    clips = [clip for clip in find_clips("dcase2020", room) if clip.split == "test"]
    levels = np.array([np.mean(soundfile.read(clip.path)[0] ** 2) for clip in clips])
    assert 0.4 < np.mean(aucs(clips, levels)) < 0.65


def test_severe_faults_are_easier_to_detect(room: Path) -> None:
    """Distance from the mean of the unit's training clips, in standard deviations."""
    with (room / "manifest.csv").open() as file:
        severity = {row["path"]: float(row["severity"] or 0) for row in csv.DictReader(file)}
    clips = find_clips("dcase2020", room)
    features = np.array([log_spectrum(clip) for clip in clips])
    train = np.array([clip.split == "train" for clip in clips])
    scores = np.empty(len(clips))
    for unit_name in {(clip.machine, clip.id) for clip in clips}:
        mine = np.array([(clip.machine, clip.id) == unit_name for clip in clips])
        healthy = features[mine & train]
        scores[mine] = np.mean(((features[mine] - healthy.mean(axis=0)) / healthy.std(axis=0)) ** 2, axis=1)

    def mean_auc(low: float, high: float) -> list[float]:
        chosen = [
            index
            for index, clip in enumerate(clips)
            if clip.split == "test" and (clip.label == 0 or low < severity[clip.name] <= high)
        ]
        return aucs([clips[index] for index in chosen], scores[chosen])

    everything, mild, grave = mean_auc(0, 1), mean_auc(0, 0.5), mean_auc(0.5, 1)
    assert 0.6 < np.mean(everything) < 0.9
    assert min(everything) < 0.75
    assert np.mean(mild) + 0.1 < np.mean(grave)
