"""When an alarm begins and ends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asdkit.bundle.stream import Alarm, AlarmRule
from asdkit.errors import UsageError

DECISIONS = st.lists(st.sampled_from([True, False, None]), max_size=40)


@st.composite
def rules(draw) -> AlarmRule:
    recent = draw(st.integers(1, 6))
    return AlarmRule(draw(st.integers(1, recent)), recent, draw(st.integers(1, 6)), draw(st.booleans()))


def states_of(rule: AlarmRule, decisions: list[bool | None]) -> list[bool]:
    alarm = Alarm(rule)
    return [alarm.update(decision) for decision in decisions]


def naive(rule: AlarmRule, decisions: list[bool | None]) -> list[bool]:
    """The rule as documented, evaluated on the whole history at each window."""
    states: list[bool] = []
    for now in range(len(decisions)):
        past = decisions[: now + 1]
        if states and states[-1]:
            ends = not rule.latch and past[-rule.quiet :] == [False] * rule.quiet
            states.append(not ends)
        else:
            ended = max((i for i in range(1, now) if states[i - 1] and not states[i]), default=-1)
            ended = now - 1 if now and states[-2:] == [True, False] else ended
            states.append(past[ended + 1 :][-rule.recent :].count(True) >= rule.needed)
    return states


@given(rules(), DECISIONS)
def test_the_alarm_follows_from_the_whole_history(rule, decisions):
    assert states_of(rule, decisions) == naive(rule, decisions)


@given(rules(), DECISIONS)
def test_alarms_begin_at_anomalous_and_end_at_normal_windows(rule, decisions):
    before = False
    for state, decision in zip(states_of(rule, decisions), decisions, strict=True):
        if state != before:
            assert decision is state
        before = state


@given(st.integers(1, 4), st.integers(0, 3), st.integers(2, 5), st.lists(st.sampled_from([True, None]), max_size=20))
def test_scores_near_the_threshold_do_not_end_an_alarm(needed, more, quiet, rest):
    alarm = Alarm(AlarmRule(needed, needed + more, quiet))
    assert [alarm.update(True) for _ in range(needed)] == [False] * (needed - 1) + [True]
    for decision in rest:  # never `quiet` normal windows in a row
        for _ in range(quiet - 1):
            assert alarm.update(False)
        assert alarm.update(decision)


@given(rules(), DECISIONS)
def test_a_latched_alarm_stays_on(rule, decisions):
    states = states_of(AlarmRule(rule.needed, rule.recent, rule.quiet, latch=True), decisions)
    assert states == sorted(states)


def test_after_an_alarm_only_new_windows_count():
    states = states_of(AlarmRule(2, 5, 1), [True, True, False, True, False, True])
    assert states == [False, True, False, False, False, True]


@pytest.mark.parametrize("wrong", [(0, 5, 5), (6, 5, 5), (1, 1, 0)])
def test_impossible_rules_are_refused(wrong):
    with pytest.raises(UsageError, match="expected at least 1"):
        AlarmRule(*wrong)
