"""`hq list` over the real methods: jobs by what they are called and where they stand (CONTRACT 10, Finding)."""

from __future__ import annotations

import pytest
from hq_over_services import ServicesHq

from hqserver.services.farm import Farm
from hqserver.services.intake import submission


@pytest.fixture
def hq(farm: Farm) -> ServicesHq:
    """Jobs 1 to 4: 1 waits for its child 2, 3 has ended, 4 waits; 2 and 3 have a uuid that is known."""
    submission.submit(farm, {"name": "top", "children": [{"name": "below", "command": "x", "uuid": "u-2"}]})
    submission.submit(farm, [{"name": "empty", "uuid": "u-3"}, {"name": "last", "command": "x"}])
    return ServicesHq(farm)


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        ([], [4, 1]),
        (["--id", "2"], [2]),  # whoever names a job means it, whatever it is and whether it has ended
        (["--id", "3", "--id", "4"], [4, 3]),
        (["--id", "3", "--status", "runnable"], []),
        (["--uuid", "u-3"], [3]),
        (["--uuid", "u-2", "--uuid", "u-3"], [3, 2]),
        (["--min-id", "2"], [4]),
        (["--max-id", "3"], [1]),
        (["--all", "--children", "--min-id", "2", "--max-id", "3"], [3, 2]),
    ],
)
def test_jobs_are_listed_by_their_ids_and_uuids(hq: ServicesHq, options: list[str], ids: list[int]) -> None:
    assert [job["id"] for job in hq("list", "--json", *options).json] == ids
    assert hq("list", "--count", *options).out == f"{len(ids)}\n"


def test_an_id_that_nobody_has_is_no_such_job(hq: ServicesHq) -> None:
    for options in (["--id", "99"], ["--uuid", "x"], ["--min-id", "99"]):
        said = hq("list", *options)
        assert (said.code, said.out, said.err) == (0, "", "hq: no such jobs\n")
    assert hq("list", "--id", "x").code == 2
