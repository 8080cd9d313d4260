"""What runs survive, shown: each module makes things go wrong many times, prints figures, and fails if one is not met.

``nox -s "show(kills)" -- --times 50`` and its like; the suite runs short versions of the same.
"""
