"""Mail about a job on a real farm, from the specification to the mail server (CONTRACT 7.1)."""

from __future__ import annotations

from pathlib import Path

import pytest
from live_farm import LiveFarm, wait_until
from post_office import PostOffice

pytestmark = pytest.mark.farm


def test_a_job_that_fails_sends_the_mail_it_asked_for_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = PostOffice()
    with office.open():
        monkeypatch.setenv("HQSERVER_SMTP_SERVER", f"127.0.0.1:{office.port}")
        monkeypatch.setenv("HQSERVER_ERROR_EMAIL_FROM", "farm@studio.example")
        farm = LiveFarm(tmp_path)
        try:
            farm.start_client("alpha")
            (job_id,) = farm.call(
                "newjob",
                {
                    "name": "Schuß 12",
                    "command": "exit 3",
                    "emailTo": "ann@studio.example",
                    "emailReasons": "failed,cancelled,abandoned",
                },
            )
            farm.wait_for(job_id, "failed")
            wait_until(lambda: office.envelopes, what="the mail", show=lambda: farm.server and farm.server.lines)
            mail = office.mail()
            assert mail["Subject"] == f'[farm] job {job_id} "Schuß 12" failed'
            assert mail["To"] == "ann@studio.example"
            assert "alpha" in mail.get_content()
        finally:
            farm.close()
    assert len(office.envelopes) == 1
