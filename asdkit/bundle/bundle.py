"""`Bundle`: a trained system on one machine that scores and explains recordings, from a file or a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from asdkit.audio import SILENT, is_silent
from asdkit.bundle.archive import unpack
from asdkit.bundle.description import Description, read_description, referenced_files
from asdkit.bundle.explained import Explainer
from asdkit.bundle.explained_page import ClipExplanation
from asdkit.bundle.from_run import take
from asdkit.bundle.healthy import HealthyClip, clips_of_bundle, clips_of_run
from asdkit.bundle.named_files import supplied_files
from asdkit.bundle.system import TrainedSystem
from asdkit.context import Context
from asdkit.plugins import Registry, discover
from asdkit.text import printable


class Bundle(TrainedSystem):
    """A trained system on one machine, with calibration scores for its verdicts; opened by `load` or `of_run`.

    Attributes
    ----------
    description
        Names, ids, sample rate, settings, versions.
    files
        Content of the files that the description refers to.
    members, featurizers
        The detectors of the system; their featurizers, which members may share.
    fuser
        None if there is one member.
    calibrator
        Decides by the threshold rule and the calibration scores.
    ids
        The known machine ids.
    run
        The run folder that it was taken from; None for a bundle file.
    explainer
        Explains clips by this system.
    ctx
        Device and threads.

    Examples
    --------
    >>> import numpy as np
    >>> from asdkit import Bundle
    >>> bundle = Bundle.load("fan.asdkit")
    >>> wave = np.random.default_rng(0).normal(0, 0.3, 8000)
    >>> bundle.score(wave, sample_rate=8000, id="00").verdict
    'anomalous'
    """

    def __init__(
        self,
        where: str,
        description: Description,
        files: dict[str, bytes],
        registry: Registry,
        ctx: Context,
        run: Path | None = None,
    ) -> None:
        super().__init__(where, description, files, registry, ctx)
        self.run = run
        self.explainer = Explainer(self, self.healthy_clips)

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        registry: Registry | None = None,
        ctx: Context | None = None,
        verify: Path | None = None,
        files: Sequence[Path] = (),
    ) -> Bundle:
        """Open a bundle file.

        Parameters
        ----------
        path
            A file that `asdkit export` wrote.
        registry, ctx
            The plugins (default: the installed ones; no other code is loaded); device and threads (default: CPU, one).
        verify
            A public Ed25519 key (PEM): ``<path>.sig`` must be a signature of the file by its private key.
        files
            Files that options name, where the bundle holds only their digests (``asdkit export --without-files``).

        Raises
        ------
        DataError
            If the file is no bundle, damaged, in a newer format, or without the signature that `verify` asks for.
        UsageError, PluginError
            If a plugin is unknown, broken, cannot load the stored state, `verify` is no key, or `files` do not fit.
        """
        where, content = printable(str(path)), unpack(Path(path), verify)
        description = read_description(where, content)
        used = {name: content[name] for name in sorted(referenced_files(description))}
        used |= supplied_files(where, description, files)
        return cls(where, description, used, registry or discover(), ctx or Context())

    @classmethod
    def of_run(
        cls,
        folder: str | Path,
        system: str | None = None,
        machine: str | None = None,
        *,
        registry: Registry | None = None,
        ctx: Context | None = None,
    ) -> Bundle:
        """Open a system of a finished run.

        Parameters
        ----------
        folder
            The run folder.
        system
            A system or a single detector; default: the only one.
        machine
            Default: the only one.
        registry, ctx
            See `load`.

        Raises
        ------
        UsageError
            If the run has no such system or machine, or has several and none is named.
        DataError
            If it is no run folder, not finished, or damaged.

        Examples
        --------
        >>> [member.name for member in Bundle.of_run("runs/fan", system="both").members]
        ['K', 'I']
        """
        registry = registry or discover()
        description, files = take(Path(folder), system, machine, registry)
        return cls(printable(str(folder)), description, files, registry, ctx or Context(), Path(folder))

    def explain(self, wave: npt.ArrayLike, sample_rate: int, id: str | None = None) -> ClipExplanation:  # noqa: A002
        """Explain the score of one recording: what raised it, when, and how healthy clips differ there.

        In a notebook the result is shown as a page: player, spectrogram with heat map, nearest healthy excerpt.

        Parameters
        ----------
        wave, sample_rate, id
            As `score` takes them.

        Examples
        --------
        >>> bundle = Bundle.load("fan.asdkit")
        >>> wave = np.random.default_rng(0).normal(0, 0.3, 8000)
        >>> why = bundle.explain(wave, sample_rate=8000, id="00")
        >>> why.verdict.verdict, sorted(why.shares)
        ('anomalous', ['I', 'K'])
        """
        checked = self.prepare(wave, sample_rate)
        silence = SILENT if is_silent(np.asarray(wave)) else ""
        return ClipExplanation(**vars(self.explainer.explain(checked, id, silence=silence)))

    def healthy_clips(self, id_: str) -> list[HealthyClip]:
        """Return the healthy clips of an id to compare recordings with: of the bundle, or from the run's recordings.

        Raises
        ------
        DataError
            If there are none: in a bundle of an early version, or where the recordings are missing or have changed.
        """
        if self.run is not None:
            return clips_of_run(self, self.run, id_)
        return clips_of_bundle(self.where, self.description, self.files, id_)
