"""Priorities as Houdini's menus write them (CONTRACT 9.5)."""

from __future__ import annotations

from typing import Any

import pytest
from rpc_kit import refused


@pytest.mark.parametrize("given", [5, "5", " 5 (Medium) ", "5(Medium)"])
def test_a_priority_may_carry_its_name(hq: Any, given: object) -> None:
    job = hq.newjob({"name": "x", "command": "x"})[0]
    hq.setJobPriority([job], given)
    assert hq.getJob(job, ["priority"])["priority"] == 5


@pytest.mark.parametrize("given", ["Medium", "5 Medium", "(5)", True, 5.5])
def test_what_holds_no_number_is_refused(hq: Any, given: object) -> None:
    fault = refused(hq.setJobPriority, [], given)
    assert (fault.faultCode, "priority must be a whole number" in fault.faultString) == (-32602, True)
