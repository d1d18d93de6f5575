"""Which jobs a control call reaches (CONTRACT 3.5, 9.8)."""

from __future__ import annotations

from farm_kit import TestClient, submit

from hqserver.services.control import commands
from hqserver.services.farm import Farm
from hqserver.services.intake import submission
from hqserver.services.work import families


def chain(farm: Farm, *ids: int) -> int:
    """A new job above these; its id."""
    return submission.submit(farm, {"name": "above", "command": "x"}, None, ids)[0]


def below(farm: Farm, *ids: int) -> set[int]:
    with farm.database.read() as connection:
        return set(families.unfinished_below(connection, ids))


def test_everything_below_is_reached_once_however_many_ways_lead_there(farm: Farm) -> None:
    bottom = submit(farm, command="x")
    left, right = chain(farm, bottom), chain(farm, bottom)
    long = chain(farm, right)
    top = chain(farm, left, long)
    with farm.database.read() as connection:
        found = families.unfinished_below(connection, [top, top, 99])
    assert sorted(found) == sorted({top, left, right, long, bottom})


def test_what_another_unfinished_parent_needs_is_spared_with_all_below_it(farm: Farm) -> None:
    """9.8."""
    bottom = submit(farm, command="x")
    shared = chain(farm, bottom)
    one, other = chain(farm, shared), chain(farm, shared)
    assert below(farm, one) == {one}
    assert below(farm, one, other) == {one, other, shared, bottom}
    assert below(farm, one, shared) == {one, shared, bottom}, "it was asked for itself"


def test_a_parent_that_has_ended_or_is_being_cancelled_needs_nothing(farm: Farm, client: TestClient) -> None:
    """9.8."""
    shared = submit(farm, command="x", host="nowhere")
    gone, other = chain(farm, shared), chain(farm, shared)
    commands.cancel(farm, [gone], "gone")
    assert below(farm, other) == {other, shared}
    ending = submit(farm, command="y")
    (order,) = client.fetch()
    client.beat(client.started(order["run"]))
    (late,) = submission.submit(farm, {"name": "late", "command": "z", "host": "nowhere"}, ending)
    second = chain(farm, late)
    commands.cancel(farm, [ending], "gone")
    assert below(farm, second) == {second, late}


def test_a_finished_job_leads_to_what_is_unfinished_below_it(farm: Farm) -> None:
    shared = submit(farm, command="x")
    first, second = chain(farm, shared), chain(farm, shared)
    commands.cancel(farm, [first], "gone")
    assert below(farm, first) == set(), "the other one still needs it"
    with farm.database.read() as connection:
        assert set(families.to_resume(connection, [first])) == {shared}
        assert families.finished_below(connection, [second]) == [], "an unfinished one leads nowhere"


def test_those_to_reschedule_come_children_first(farm: Farm, client: TestClient) -> None:
    """CONTRACT 3.5: no parent is looked at while a child of it is still to be reset."""
    bottom = submit(farm, command="x")
    middle = chain(farm, bottom)
    side = submit(farm, command="x")
    top = chain(farm, middle, side)
    commands.cancel(farm, [top], "gone")
    for asked in (top, middle, bottom):
        with farm.database.read() as connection:
            found = families.to_reschedule(connection, [asked, 99])
        assert found.index(bottom) < found.index(middle) < found.index(top)
        assert (side in found) is (asked == top)


def test_a_family_is_changed_in_parts_that_keep_nobody_waiting() -> None:
    parts = list(families.in_parts(range(1201)))
    assert [len(part) for part in parts] == [500, 500, 201]
    assert [each for part in parts for each in part] == list(range(1201))
    assert list(families.in_parts([])) == []
