import math

from hqclient.daemon.runs.ending import LEFTOVER_GRACE_SECONDS, LINGER_SECONDS, STUCK_SECONDS, Action, Ending


def test_a_command_that_ends_alone_is_finished_at_once() -> None:
    ending = Ending(10.0)
    assert ending.step(0.0, command_ended=False, anything_left=True) is Action.WAIT
    assert ending.due_at == math.inf
    assert ending.step(5.0, command_ended=True, anything_left=False) is Action.FINISH
    assert not ending.killed


def test_what_a_command_leaves_behind_may_linger_then_is_asked_then_made_to_end() -> None:
    ending = Ending(10.0)
    assert ending.step(0.0, command_ended=True, anything_left=True) is Action.WAIT
    assert ending.due_at == LINGER_SECONDS
    assert ending.step(LINGER_SECONDS, command_ended=True, anything_left=True) is Action.ASK
    assert ending.step(LINGER_SECONDS + 0.1, command_ended=True, anything_left=True) is Action.WAIT
    late = LINGER_SECONDS + LEFTOVER_GRACE_SECONDS
    assert ending.step(late, command_ended=True, anything_left=True) is Action.STRIKE
    assert ending.step(ending.due_at, command_ended=True, anything_left=True) is Action.STRIKE
    assert ending.step(late + 1, command_ended=True, anything_left=False) is Action.FINISH
    assert not ending.killed


def test_a_kill_asks_at_once_and_strikes_after_the_grace() -> None:
    ending = Ending(10.0)
    ending.request_kill()
    assert ending.step(1.0, command_ended=False, anything_left=True) is Action.ASK
    assert ending.killed
    assert ending.begun
    assert ending.step(10.9, command_ended=False, anything_left=True) is Action.WAIT
    assert ending.step(11.0, command_ended=False, anything_left=True) is Action.STRIKE


def test_a_kill_waits_out_the_grace_for_the_rest_of_the_tree() -> None:
    ending = Ending(10.0)
    ending.request_kill()
    ending.step(0.0, command_ended=False, anything_left=True)
    assert ending.step(1.0, command_ended=True, anything_left=True) is Action.WAIT
    assert ending.step(10.0, command_ended=True, anything_left=True) is Action.STRIKE


def test_a_kill_that_comes_after_the_command_ended_only_hurries_the_leftovers() -> None:
    ending = Ending(10.0)
    ending.step(0.0, command_ended=True, anything_left=True)
    ending.request_kill()
    assert ending.step(0.1, command_ended=True, anything_left=True) is Action.ASK
    assert not ending.killed


def test_a_second_kill_does_not_start_the_grace_anew() -> None:
    ending = Ending(10.0)
    ending.request_kill()
    ending.step(0.0, command_ended=False, anything_left=True)
    ending.request_kill()
    assert ending.step(5.0, command_ended=False, anything_left=True) is Action.WAIT
    assert ending.due_at == 10.0


def test_a_run_is_stuck_once_sigkill_has_been_in_vain_for_long() -> None:
    ending = Ending(0.0)
    ending.request_kill()
    ending.step(0.0, command_ended=False, anything_left=True)
    assert ending.step(0.0, command_ended=False, anything_left=True) is Action.STRIKE
    assert not ending.is_stuck(STUCK_SECONDS - 1)
    assert ending.is_stuck(STUCK_SECONDS)


def test_strikes_come_ever_less_often_but_at_least_every_second() -> None:
    ending = Ending(0.0)
    ending.request_kill()
    ending.step(0.0, command_ended=False, anything_left=True)
    now, pauses = 0.0, []
    for _ in range(12):
        assert ending.step(now, command_ended=False, anything_left=True) is Action.STRIKE
        pauses.append(ending.due_at - now)
        now = ending.due_at
    rounded = [round(pause, 6) for pause in pauses]
    assert rounded == sorted(rounded)
    assert rounded[-1] == 1.0
