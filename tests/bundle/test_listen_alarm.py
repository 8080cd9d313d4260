"""When an alarm begins and ends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asdkit.bundle.stream import Alarm, AlarmRule
from asdkit.errors import UsageError

VERDICTS = st.lists(st.sampled_from([True, False, None]), max_size=40)


@st.composite
def rules(draw) -> AlarmRule:
    of = draw(st.integers(1, 6))
    return AlarmRule(draw(st.integers(1, of)), of, draw(st.integers(1, 6)), draw(st.booleans()))


def heard(rule: AlarmRule, verdicts: list[bool | None]) -> list[bool]:
    alarm = Alarm(rule)
    return [alarm.update(v) for v in verdicts]


def naive(rule: AlarmRule, verdicts: list[bool | None]) -> list[bool]:
    """The rule as it is written down, from the whole history at every window."""
    states: list[bool] = []
    for now in range(len(verdicts)):
        past = verdicts[: now + 1]
        if states and states[-1]:
            ends = not rule.latch and past[-rule.quiet :] == [False] * rule.quiet
            states.append(not ends)
        else:
            ended = max((i for i in range(1, now) if states[i - 1] and not states[i]), default=-1)
            ended = now - 1 if now and states[-2:] == [True, False] else ended
            states.append(past[ended + 1 :][-rule.recent :].count(True) >= rule.needed)
    return states


@given(rules(), VERDICTS)
def test_the_alarm_is_what_the_whole_history_says(rule, verdicts):
    assert heard(rule, verdicts) == naive(rule, verdicts)


@given(rules(), VERDICTS)
def test_an_alarm_begins_at_an_anomalous_window_and_ends_at_a_normal_one(rule, verdicts):
    before = False
    for state, verdict in zip(heard(rule, verdicts), verdicts, strict=True):
        if state != before:
            assert verdict is state
        before = state


@given(st.integers(1, 4), st.integers(0, 3), st.integers(2, 5), st.lists(st.sampled_from([True, None]), max_size=20))
def test_what_hovers_around_the_threshold_never_switches_an_alarm_off(needed, more, quiet, rest):
    alarm = Alarm(AlarmRule(needed, needed + more, quiet))
    assert [alarm.update(True) for _ in range(needed)] == [False] * (needed - 1) + [True]
    for verdict in rest:  # never `quiet` normal windows in a row
        for _ in range(quiet - 1):
            assert alarm.update(False)
        assert alarm.update(verdict)


@given(rules(), VERDICTS)
def test_a_latched_alarm_stays(rule, verdicts):
    states = heard(AlarmRule(rule.needed, rule.recent, rule.quiet, latch=True), verdicts)
    assert states == sorted(states)


def test_after_an_alarm_only_new_windows_count():
    states = heard(AlarmRule(2, 5, 1), [True, True, False, True, False, True])
    assert states == [False, True, False, False, False, True]


@pytest.mark.parametrize("wrong", [(0, 5, 5), (6, 5, 5), (1, 1, 0)])
def test_rules_that_no_stream_could_keep_are_refused(wrong):
    with pytest.raises(UsageError, match="expected at least 1"):
        AlarmRule(*wrong)
