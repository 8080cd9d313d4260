"""Any detector of PyOD, by name."""

from typing import Literal

from asdkit.api import DetectorConfig, Entry, Field, hookimpl


class PyodConfig(DetectorConfig):
    detector: str = Field("IForest", pattern=r"^[A-Z]\w*$", description="class in pyod.models, such as LOF or ECOD")
    parameters: dict[str, bool | int | float | str | list[int]] = Field({}, description="arguments of that class")
    rows: Literal["statistics", "frames"] = Field(
        "statistics", description="what PyOD sees of a window: mean and deviation of each band, or all its frames"
    )
    kept: int = Field(2000, ge=1, le=1_000_000, description="training windows, at most; drawn at random from more")

    def problems(self, job):
        if self.rows == "frames" and job.frames == "clip":
            return ['rows: "frames" needs a number of frames, not "clip"']
        return []


@hookimpl
def asdkit_detectors():
    defaults = {"frames": 8, "hop": 8, "scope": "id"}
    return [Entry("pyod", PyodConfig, "asdkit_pyod.detector:Pyod", "Any detector of PyOD, by name.", defaults, 2)]
