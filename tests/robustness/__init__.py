"""Robustness checks: each module provokes many failures, prints figures, and fails if a figure misses its demand.

``nox -s robustness -- kills --times 50``, and so on; ``nox -s robustness`` runs short versions.
"""
