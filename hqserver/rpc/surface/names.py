"""HQueue's lists of status and event names, straight from `domain.status`."""

from __future__ import annotations

from hqserver.domain.status import JOB_NAME_LISTS
from hqserver.rpc.method import rpc


class Names:
    """Names of statuses and events: what each of HQueue's words covers."""

    @rpc("getAllJobStatusNames", since="12")
    def get_all_job_status_names(self) -> list[str]:
        """Every status a job can have, and `waiting`, which means runnable."""
        return list(JOB_NAME_LISTS["getAllJobStatusNames"])

    @rpc("getRunningJobStatusNames", since="12")
    def get_running_job_status_names(self) -> list[str]:
        """Statuses of a job that is on a client."""
        return list(JOB_NAME_LISTS["getRunningJobStatusNames"])

    @rpc("getPausedJobStatusNames", since="12")
    def get_paused_job_status_names(self) -> list[str]:
        """Statuses of a job that is paused."""
        return list(JOB_NAME_LISTS["getPausedJobStatusNames"])

    @rpc("getFinishedJobStatusNames", since="12")
    def get_finished_job_status_names(self) -> list[str]:
        """Statuses of a job that has ended."""
        return list(JOB_NAME_LISTS["getFinishedJobStatusNames"])

    @rpc("getUnfinishedJobStatusNames", since="12")
    def get_unfinished_job_status_names(self) -> list[str]:
        """Statuses of a job that has not ended."""
        return list(JOB_NAME_LISTS["getUnfinishedJobStatusNames"])

    @rpc("getSucceededStatusNames", since="12")
    def get_succeeded_status_names(self) -> list[str]:
        """Statuses of a job that ended well."""
        return list(JOB_NAME_LISTS["getSucceededStatusNames"])

    @rpc("getFailedJobStatusNames", since="12")
    def get_failed_job_status_names(self) -> list[str]:
        """Statuses of a job that ended otherwise."""
        return list(JOB_NAME_LISTS["getFailedJobStatusNames"])

    @rpc("getWaitingJobStatusNames", since="12")
    def get_waiting_job_status_names(self) -> list[str]:
        """Statuses of a job that waits for a client or for its children."""
        return list(JOB_NAME_LISTS["getWaitingJobStatusNames"])

    @rpc("getStartedJobEventNames", since="12")
    def get_started_job_event_names(self) -> list[str]:
        """Reasons for mail when a job starts."""
        return list(JOB_NAME_LISTS["getStartedJobEventNames"])

    @rpc("getPriorityChangedEventNames", since="12")
    def get_priority_changed_event_names(self) -> list[str]:
        """Reasons for mail when a priority changes."""
        return list(JOB_NAME_LISTS["getPriorityChangedEventNames"])

    @rpc("getRescheduledEventNames", since="12")
    def get_rescheduled_event_names(self) -> list[str]:
        """Reasons for mail when a job is rescheduled."""
        return list(JOB_NAME_LISTS["getRescheduledEventNames"])

    @rpc("getResumedEventNames", since="12")
    def get_resumed_event_names(self) -> list[str]:
        """Reasons for mail when a job is resumed."""
        return list(JOB_NAME_LISTS["getResumedEventNames"])
