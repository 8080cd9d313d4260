"""Command line of the benchmarks; ``nox -s bench`` and ``nox -s bench_compare`` call it."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import pkgutil
import re
import sys
from pathlib import Path

# Before any library starts its threads: the harness allows a case so many.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, str(os.cpu_count() or 1))

from benchmarks import report, suites  # noqa: E402
from benchmarks.harness import NotEqual  # noqa: E402
from benchmarks.stamp import stamp  # noqa: E402

SUITES = sorted(module.name for module in pkgutil.iter_modules(suites.__path__))
DOCS = Path(__file__).parents[1] / "docs" / "development"


def main() -> int:
    """Run the command that the arguments name."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run suites, print a table of ratios, write JSON and a plot")
    run.add_argument("suites", nargs="*", metavar="SUITE", help=f"of {', '.join(SUITES)}; default: all")
    run.add_argument("-o", "--output", type=Path, default=Path("benchmark.json"), help="default: %(default)s")
    run.add_argument("--quick", action="store_true", help="few samples: to see that it runs")
    compare = commands.add_parser("compare", help="show what changed between two files")
    compare.add_argument("old", type=Path)
    compare.add_argument("new", type=Path)
    publish = commands.add_parser("publish", help="put a file's table and plot into docs/development/performance.md")
    publish.add_argument("file", type=Path)
    args = parser.parse_args()
    if args.command == "run":
        unknown = set(args.suites) - set(SUITES)
        if unknown:
            parser.error(f"no suite {', '.join(sorted(unknown))}; there are {', '.join(SUITES)}")
        return _run(args.suites or SUITES, args.output, args.quick)
    if args.command == "compare":
        print(report.changes(report.load(args.old), report.load(args.new)))
        return 0
    return _publish(args.file)


def _run(names: list[str], output: Path, quick: bool) -> int:
    record = {"stamp": stamp(), "quick": quick, "results": []}
    for name in names:
        try:
            for result in importlib.import_module(f"benchmarks.suites.{name}").measure(quick):
                print(f"{report.title(result.as_dict())}, {result.contender}: {report.amount(result.as_dict())}",
                      file=sys.stderr, flush=True)  # fmt: skip
                record["results"].append(result.as_dict())
        except NotEqual as error:
            print(error, file=sys.stderr)
            return 1
    output.write_text(json.dumps(record, indent=1) + "\n")
    report.plot(record, output.with_suffix(".svg"))
    print(report.markdown(record))
    return 0


def _publish(file: Path) -> int:
    record = report.load(file)
    page = DOCS / "performance.md"
    text, count = re.subn(
        r"(<!-- table -->\n).*?(<!-- end -->)",
        lambda match: f"{match[1]}\n{report.markdown(record)}\n{match[2]}",
        page.read_text(),
        flags=re.DOTALL,
    )
    if count != 1:
        print(f"{page}: has not just one place for the table", file=sys.stderr)
        return 1
    page.write_text(text)
    report.plot(record, DOCS / "performance.svg")
    return 0


if __name__ == "__main__":
    sys.exit(main())
