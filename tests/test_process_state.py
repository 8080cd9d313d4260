"""Process state that a plugin changes is restored and noted."""

from __future__ import annotations

import os
import sys

import numpy as np

from asdkit.run.process_state import restored_process_state


def test_changed_state_is_restored_and_noted(tmp_path):
    folder, limit, errors, notes = os.getcwd(), sys.getrecursionlimit(), np.geterr(), []
    with restored_process_state("detector 'odd' of asdkit-odd 1.0", notes):
        os.chdir(tmp_path)
        sys.setrecursionlimit(limit + 7)
        np.seterr(all="raise")
    assert (os.getcwd(), sys.getrecursionlimit(), np.geterr()) == (folder, limit, errors)
    assert notes == [
        "detector 'odd' of asdkit-odd 1.0 changed the working folder, the recursion limit, NumPy's error handling "
        "of the process; restored after the job"
    ]


def test_an_innocent_plugin_gets_no_note():
    notes = []
    with restored_process_state("detector 'mean' of asdkit 1.0", notes):
        pass
    assert notes == []
