from __future__ import annotations

import json

import pytest
from agent_kit import a_record

from hqclient.daemon.host_os import Moment
from hqclient.daemon.reports import ended_report, for_wire, pause_report, refused_report, started_report

RUN = "0123456789abcdef" * 2


def test_a_report_has_one_id_however_often_it_is_made() -> None:
    assert ended_report(RUN, a_record())["id"] == ended_report(RUN, a_record())["id"] == f"{RUN}:ended"
    assert started_report(RUN, 1.0)["id"] != refused_report(RUN, "no")["id"] != ended_report(RUN, a_record())["id"]


def test_an_ended_run_names_the_limit_that_ended_it() -> None:
    assert ended_report(RUN, a_record())["limit"] == ""
    assert ended_report(RUN, a_record(killed=True, limit="maxTime"))["limit"] == "maxTime"


def test_the_many_pauses_of_a_run_have_an_id_each() -> None:
    reports = [pause_report(RUN, paused, number) for number, paused in enumerate([True, False, True], 1)]
    assert [report["id"] for report in reports] == [f"{RUN}:paused:1", f"{RUN}:resumed:2", f"{RUN}:paused:3"]
    assert for_wire(reports[0]) == {"id": f"{RUN}:paused:1", "run": RUN, "kind": "paused"}


def test_what_is_sent_are_ages_and_no_clock_reading() -> None:
    now = Moment.now()
    earlier = now._replace(uptime_seconds=now.uptime_seconds - 60, wall_at=now.wall_at - 3600)
    kept = ended_report(RUN, a_record(started_at=earlier, ended_at=now, max_memory_kb=12))
    sent = for_wire(json.loads(json.dumps(kept)))
    assert sent["startedAgo"] == pytest.approx(60, abs=5), "a step of the wall clock in between does not count"
    assert 0 <= sent["endedAgo"] < 5
    assert not {"startedAt", "endedAt"} & set(sent)
    assert (sent["exitCode"], sent["maxMemory"], sent["logSize"]) == (0, 12, 0)


def test_a_report_from_before_a_reboot_is_dated_by_the_wall_clock() -> None:
    now = Moment.now()
    before = Moment("another boot", 5.0, now.wall_at - 100)
    sent = for_wire(ended_report(RUN, a_record(started_at=before, ended_at=before)))
    assert sent["endedAgo"] == pytest.approx(100, abs=5)


def test_reports_without_moments_are_sent_as_they_are() -> None:
    assert for_wire(refused_report(RUN, "no room")) == refused_report(RUN, "no room")
