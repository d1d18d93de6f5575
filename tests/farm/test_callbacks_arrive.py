"""Callbacks on a real farm: a webhook survives kill -9 of the server, a command runs as a job (CONTRACT 10)."""

from __future__ import annotations

import hashlib
import hmac
import signal
from pathlib import Path

import pytest
from live_farm import LiveFarm, wait_until
from post_office import PostOffice
from receiver import Receiver

pytestmark = pytest.mark.farm

SECRET = "hush"


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


def kill_server(live: LiveFarm) -> None:
    assert live.server is not None
    live.server.end(signal.SIGKILL)


def test_a_webhook_is_sent_though_the_server_was_killed_between_the_event_and_its_delivery(
    live: LiveFarm, receiver: Receiver
) -> None:
    with receiver.open():
        pass  # from now on it has an address, and nobody is there
    job = live.call("newjob", {"name": "shot", "command": "x"})[0]
    number = live.call("addCallback", job, "cancelled", {"type": "webhook", "url": receiver.url, "secret": SECRET})
    live.call("cancelJobs", [job])
    kill_server(live)
    live.start_server()
    found = wait_until(lambda: [each for each in live.call("getCallbacks", job) if each["fired"]], what="the event")
    assert (found[0]["id"], found[0]["waiting"]) == (number, 1)
    with receiver.open():
        wait_until(lambda: receiver.posts, what="the webhook", show=lambda: live.call("getCallbacks", job))
        wait_until(lambda: not live.call("getCallbacks", job)[0]["waiting"], what="its settlement")
    (post,) = receiver.posts
    assert (post.json["job"], post.json["now"]) == (job, "cancelled")
    signed = hmac.new(SECRET.encode(), post.body, hashlib.sha256).hexdigest()
    assert post.headers["X-HQ-Signature"] == f"sha256={signed}"


def test_a_server_killed_before_the_answer_sends_again_and_the_event_id_tells(
    live: LiveFarm, receiver: Receiver
) -> None:
    """At least once: it was taken, and the server died before that was on disk."""
    receiver.before_answer = lambda post: kill_server(live)
    with receiver.open():
        job = live.call("newjob", {"name": "shot", "command": "x"})[0]
        live.call("addCallback", job, "cancelled", {"type": "webhook", "url": receiver.url})
        live.call("cancelJobs", [job])
        wait_until(lambda: receiver.posts, what="the first webhook")
        assert live.server is not None
        live.server.process.wait(20)
        receiver.before_answer = lambda post: None
        live.start_server()
        wait_until(lambda: len(receiver.posts) == 2, what="the webhook again")
        wait_until(lambda: not live.call("getCallbacks", job)[0]["waiting"], what="its settlement")
    first, second = receiver.posts
    assert first.body == second.body
    assert first.headers["X-HQ-Event"] == second.headers["X-HQ-Event"] == str(first.json["id"])


def test_a_command_runs_on_the_farm_as_a_job_of_its_own(farm_of_one: LiveFarm) -> None:
    live, told = farm_of_one, farm_of_one.folder / "told"
    job = live.call("newjob", {"name": "Schuß 12", "command": "sleep 0.3; exit 3", "submittedBy": "ann"})[0]
    script = f'echo "$HQ_EVENT_JOB $HQ_EVENT_NOW $HQ_EVENT_JOB_NAME $SHOW" >> {told}'
    action = {"type": "command", "command": script, "environment": {"SHOW": "dragon"}}
    live.call("addCallback", job, "failed", action)
    everywhere = live.call("addCallback", None, "finished", {"type": "command", "command": f"echo end >> {told}"})
    live.wait_for(job, "failed")
    for number in (job + 1, job + 2):
        wait_until(lambda number=number: live.call("getJobs", [number], ["id"]), what=f"job {number}")
        live.wait_for(number, "succeeded")
        assert live.job(number, "submittedBy") == "ann"
    assert sorted(told.read_text().splitlines()) == sorted([f"{job} failed Schuß 12 dragon", "end"])
    (found,) = live.call("getCallbacks")
    assert (found["id"], found["fired"], found["waiting"]) == (everywhere, 1, 0)
    assert live.call("getJobs", [job + 3], ["id"]) == []


def test_mail_arrives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    office = PostOffice()
    with office.open():
        monkeypatch.setenv("HQSERVER_SMTP_SERVER", f"127.0.0.1:{office.port}")
        monkeypatch.setenv("HQSERVER_ERROR_EMAIL_FROM", "farm@studio.example")
        live = LiveFarm(tmp_path)
        try:
            top, below = live.call("newjob", {"name": "top", "children": [{"name": "below", "command": "x"}]})
            action = {"type": "mail", "to": "ann@studio.example", "subject": "a child is gone"}
            live.call("addCallback", top, "child:cancelled", action)
            live.call("cancelJobs", [below])
            wait_until(lambda: office.envelopes, what="the mail", show=lambda: live.server and live.server.lines)
            assert office.mail()["Subject"] == "[farm] a child is gone"
            assert f'Job {below} "below" was cancelled.' in office.mail().get_content()
        finally:
            live.close()
    assert len(office.envelopes) == 1
