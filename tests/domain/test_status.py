"""The words for statuses, and the lists HQueue's methods answer (CONTRACT 1.2, 3.1, 9.7, 9.9)."""

from __future__ import annotations

from hqserver.domain.status import (
    FINISHED_JOB,
    FINISHED_WORK,
    JOB_NAME_LISTS,
    LIVE_RUN,
    WAITING,
    WORK_ON_CLIENT,
    JobStatus,
    RunStatus,
    WorkStatus,
)


def test_all_job_status_names_are_the_eleven_hqueue_accepts() -> None:
    names = JOB_NAME_LISTS["getAllJobStatusNames"]
    assert sorted(names) == sorted([*JobStatus, WAITING])
    assert len(names) == len(set(names)) == 11


def test_finished_and_unfinished_share_no_name_and_leave_none_out() -> None:
    finished = set(JOB_NAME_LISTS["getFinishedJobStatusNames"])
    unfinished = set(JOB_NAME_LISTS["getUnfinishedJobStatusNames"])
    assert not finished & unfinished
    assert finished | unfinished == set(JOB_NAME_LISTS["getAllJobStatusNames"])


def test_a_finished_job_has_succeeded_or_failed() -> None:
    succeeded = JOB_NAME_LISTS["getSucceededStatusNames"]
    assert {*succeeded, *JOB_NAME_LISTS["getFailedJobStatusNames"]} == set(FINISHED_JOB)
    assert succeeded == ("succeeded",)


def test_every_status_list_holds_known_names_only() -> None:
    known = set(JOB_NAME_LISTS["getAllJobStatusNames"])
    for method, names in JOB_NAME_LISTS.items():
        if method.endswith("StatusNames"):
            assert set(names) <= known, method


def test_the_event_lists_are_what_email_reasons_may_hold() -> None:
    events = {name: JOB_NAME_LISTS[name] for name in JOB_NAME_LISTS if name.endswith("EventNames")}
    assert events == {
        "getStartedJobEventNames": ("running",),
        "getPriorityChangedEventNames": ("priority changed",),
        "getRescheduledEventNames": ("rescheduled",),
        "getResumedEventNames": ("resumed",),
    }


def test_there_are_the_twelve_lists_of_the_seed() -> None:
    assert len(JOB_NAME_LISTS) == 12


def test_work_has_hqueues_statuses_and_blocked() -> None:
    assert set(WorkStatus) - set(JobStatus) == {"blocked"}
    assert set(JobStatus) <= set(WorkStatus)


def test_work_is_finished_or_not_and_a_client_holds_unfinished_work_only() -> None:
    assert set(FINISHED_WORK) < set(WorkStatus)
    assert not set(WORK_ON_CLIENT) & set(FINISHED_WORK)


def test_runs_are_alive_or_over_as_contract_9_9_lists_them() -> None:
    assert [*LIVE_RUN] == ["offered", "running", "pausing", "paused", "resuming", "ending", "lost"]
    assert [status for status in RunStatus if status not in LIVE_RUN] == [
        "succeeded",
        "failed",
        "cancelled",
        "ejected",
        "preempted",
        "superseded",
    ]
