"""Parents, children and ids of jobs as they are taken in; what would close a circle (CONTRACT 2.3, 9.5 to 9.8)."""

from __future__ import annotations

import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from farm_kit import Asked, SetClock, TestClient, check_counters, open_farm, submit
from hypothesis import given, settings
from hypothesis import strategies as st
from intake_kit import count, refused
from job_kit import read

from hqserver.domain.errors import Conflict, NotFound
from hqserver.services.farm import Farm, Policy
from hqserver.services.intake import submission

# Ids and links -------------------------------------------------------------------------------------------------------


def test_the_specifications_ids_come_first_and_then_those_of_nested_children_depth_first(farm: Farm) -> None:
    """9.6."""
    document = [
        {"name": "a", "children": [{"name": "a1", "children": [{"name": "a11"}]}, {"name": "a2"}]},
        {"name": "b", "children": [{"name": "b1"}]},
    ]
    ids = submission.submit(farm, document)
    assert [read(farm, each, "name")[0] for each in ids] == ["a", "b", "a1", "a11", "a2", "b1"]
    assert ids == sorted(ids)
    assert read(farm, ids[0], "children", "parents") == [[ids[2], ids[4]], []]
    assert read(farm, ids[3], "children", "parents", "root") == [[], [ids[2]], ids[0]]


def test_ids_are_never_given_twice(farm: Farm) -> None:
    first = submission.submit(farm, [{"name": "a"}, {"name": "b"}])
    with pytest.raises(NotFound):
        submission.submit(farm, {"name": "c"}, 99)
    assert submit(farm) > max(first)


def test_a_new_job_becomes_a_child_of_the_parent_that_is_named(farm: Farm) -> None:
    parent = submit(farm, command="p")
    children = submission.submit(farm, [{"name": "a", "command": "x"}, {"name": "b", "command": "x"}], parent)
    assert read(farm, parent, "children", "status") == [children, "queued"]
    assert read(farm, children[0], "parents", "root") == [[parent], parent]


def test_existing_jobs_become_children_of_each_new_job(farm: Farm) -> None:
    children = [submit(farm, command="a"), submit(farm, command="b")]
    parents = submission.submit(farm, [{"name": "p", "command": "p"}, {"name": "q", "command": "q"}], None, children)
    for parent in parents:
        assert read(farm, parent, "children", "status", "tasks") == [
            children,
            "queued",
            {"total": 2, "finished": 0, "failed": 0},
        ]
    assert read(farm, children[0], "parents") == [parents]


def test_an_adopted_job_keeps_the_root_it_was_submitted_with(farm: Farm) -> None:
    child = submit(farm, command="a")
    (parent,) = submission.submit(farm, {"name": "p"}, None, [child])
    assert read(farm, child, "root", "parents") == [child, [parent]]


def test_ids_in_the_specification_link_both_ways(farm: Farm) -> None:
    above, below = submit(farm, command="above"), submit(farm, command="below")
    middle = submit(farm, command="x", parentIds=[str(above)], childrenIds=[below])
    assert read(farm, above, "children", "tasks") == [[middle], {"total": 2, "finished": 0, "failed": 0}]
    assert read(farm, below, "parents") == [[middle]]


def test_a_job_that_is_named_twice_as_parent_or_child_is_linked_once(farm: Farm) -> None:
    parent, child = submit(farm, command="p"), submit(farm, command="c")
    ids = submission.submit(farm, {"name": "x", "parentIds": [parent, parent], "childrenIds": [child]}, parent, [child])
    assert read(farm, ids[0], "parents", "children") == [[parent], [child]]


def test_a_descendant_that_is_reached_on_several_ways_is_counted_once(farm: Farm, client: TestClient) -> None:
    ids = submission.submit(
        farm,
        [
            {"name": "top", "command": "t", "stubId": "top", "childStubIds": "left, right"},
            {"name": "left", "command": "l", "stubId": "left", "childStubIds": "shared"},
            {"name": "right", "command": "r", "stubId": "right", "childStubIds": ["shared"]},
            {"name": "shared", "command": "s", "stubId": "shared"},
        ],
    )
    top, left, right, shared = ids
    assert read(farm, top, "tasks", "children") == [{"total": 3, "finished": 0, "failed": 0}, [left, right]]
    assert read(farm, shared, "parents", "root") == [[left, right], top]
    client.cpus = 8
    assert client.run_all() == 4
    assert read(farm, top, "tasks", "status", "overallProgress") == [
        {"total": 3, "finished": 3, "failed": 0},
        "succeeded",
        1.0,
    ]


def test_only_what_hangs_below_a_job_is_counted_there(farm: Farm) -> None:
    above = submit(farm, command="above")
    submission.submit(farm, [{"name": "below", "parentIds": [above]}, {"name": "beside"}])
    assert read(farm, above, "tasks")[0]["total"] == 1
    submission.submit(farm, {"name": "beside", "children": [{"name": "below", "parentIds": [above]}]})
    assert read(farm, above, "tasks")[0]["total"] == 2
    submission.submit(farm, {"name": "below", "parentIds": [above], "children": [{"name": "x", "parentIds": [above]}]})
    assert read(farm, above, "tasks")[0]["total"] == 4


def test_a_job_below_two_parents_is_counted_in_both_and_once_above_them(farm: Farm) -> None:
    top = submit(farm, command="top")
    left, right = submission.submit(farm, [{"name": "l", "command": "l"}, {"name": "r", "command": "r"}], top)
    submission.submit(farm, {"name": "shared", "parentIds": [left, right]})
    assert [read(farm, each, "tasks")[0]["total"] for each in (top, left, right)] == [3, 1, 1]


# Circles -------------------------------------------------------------------------------------------------------------


def test_a_circle_through_jobs_of_the_farm_is_refused(farm: Farm) -> None:
    top, middle = submission.submit(farm, {"name": "top", "command": "t", "children": [{"name": "m", "command": "m"}]})
    sentence = f"job {top} would become its own descendant"
    assert refused(farm, Conflict, {"name": "x"}, middle, [top]) == sentence
    assert refused(farm, Conflict, {"name": "x"}, top, [top]) == sentence
    assert refused(farm, Conflict, {"name": "x", "parentIds": [middle], "childrenIds": [top]}) == sentence
    nested = {"name": "x", "childrenIds": [top], "children": [{"name": "y", "parentIds": [middle]}]}
    assert count(farm) == 2
    submission.submit(farm, nested)  # top and y are both below x: no circle


def test_a_circle_that_goes_through_the_new_jobs_is_refused(farm: Farm) -> None:
    top, middle = submission.submit(farm, {"name": "top", "command": "t", "children": [{"name": "m", "command": "m"}]})
    document = [
        {"name": "a", "parentIds": [middle], "childStubIds": "b"},
        {"name": "b", "stubId": "b", "children": [{"name": "c", "childrenIds": [top]}]},
    ]
    assert refused(farm, Conflict, document) == f"job {top} would become its own descendant"


def test_a_circle_that_goes_twice_through_the_farm_is_refused(farm: Farm) -> None:
    one, two = submit(farm, command="1"), submit(farm, command="2")
    document = [
        {"name": "a", "parentIds": [one], "childrenIds": [two]},
        {"name": "b", "parentIds": [two], "childrenIds": [one]},
    ]
    assert "would become its own descendant" in refused(farm, Conflict, document)


def test_a_job_may_be_child_of_one_new_job_and_parent_of_another(farm: Farm) -> None:
    middle = submit(farm, command="m")
    above, below = submission.submit(
        farm, [{"name": "a", "childrenIds": [middle]}, {"name": "b", "parentIds": [middle]}]
    )
    assert read(farm, middle, "parents", "children") == [[above], [below]]
    assert read(farm, above, "tasks")[0]["total"] == 2


@settings(max_examples=25, database=None)
@given(data=st.data())
def test_links_of_every_kind_leave_a_dag_with_true_counters(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        farm = open_farm(Path(folder), SetClock(), Asked(), Policy())
        with closing(farm.database):
            for _ in range(3):
                try:
                    submission.submit(farm, linked(data, count(farm)))
                except Conflict:
                    pass  # a circle, or a parent that has finished
            check_counters(farm)
            with farm.database.read() as connection:
                looped = connection.execute(
                    """WITH RECURSIVE below (top, id) AS (
                        SELECT parent_id, child_id FROM family
                        UNION SELECT top, child_id FROM below JOIN family ON parent_id = below.id)
                    SELECT top FROM below WHERE top = id"""
                ).fetchall()
            assert looped == []


def linked(data: st.DataObject, known: int) -> list[dict[str, Any]]:
    """A few specifications with links of every kind, to each other and to the jobs the farm knows."""
    ids = st.lists(st.integers(1, known), max_size=2) if known else st.just([])
    size = data.draw(st.integers(1, 4))
    return [
        {
            "name": "x",
            "command": data.draw(st.sampled_from(["c", ""])),
            "stubId": number,
            "childStubIds": data.draw(st.lists(st.integers(number + 1, size), max_size=2)) if number < size else [],
            "parentIds": data.draw(ids),
            "childrenIds": data.draw(ids),
            "children": [{"name": "y", "command": "c", "parentIds": data.draw(ids)}] * data.draw(st.integers(0, 2)),
        }
        for number in range(1, size + 1)
    ]
