"""Speed and memory of asdkit beside its peers: ``python -m benchmarks run``, ``compare`` and ``publish``.

A suite is a module of `benchmarks.suites` with a function ``measure(quick) -> Iterator[Result]``; to add one, add a
module.
"""
