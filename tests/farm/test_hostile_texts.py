"""T19, callers, submissions, pages and logs: what PROMISES 6.2 to 6.4 list, against a real server that somebody else
pings. What holds after each case, the fixture says (P10).
"""

from __future__ import annotations

import pytest
from crash_kit import hqserver
from daemon_words import beat, identity
from hostile_target import Target
from raw_http import get, xml

pytestmark = [pytest.mark.farm, pytest.mark.usefixtures("others_are_served")]


def test_nobody_is_let_in_from_elsewhere_by_accident(target: Target) -> None:
    status, said = hqserver(target.live, "--host", "0.0.0.0", "--port", "0")
    assert status != 0
    assert "hqserver.openNetworks" in said


def test_a_client_s_call_needs_its_secret(target: Target) -> None:
    for header in ("X: y", "Authorization: Bearer ", "Authorization: Bearer guess", "Authorization: Basic YTpi"):
        assert target.call(xml("clientBeat", beat("s", 1)), header).fault() == 401


@pytest.mark.parametrize(
    "specification",
    [
        '{"name": "x", "command": "echo \\u0000"}',
        '{"name": "x", "command": "true", "environment": {"A=B": "c"}}',
        '{"name": "x", "command": "true", "environment": {"A": "\\u0000"}}',
        '{"name": "\\ud800"}',
        '{"name": "x", "priority": 1e999}',
        '{"name": "x", "priority": NaN}',
        '{"name": "x", "priority": ' + "9" * 5000 + "}",
        '{"name": "x", "children": ' * 5000 + "[]" + "}" * 5000,
        "[" * 100_000,
        "",
        "null",
    ],
    ids=[
        "NUL",
        "= in a name",
        "NUL in a value",
        "surrogate",
        "1e999",
        "NaN",
        "5000 digits",
        "deep children",
        "deep",
        "no",
        "null",
    ],
)
def test_a_specification_that_no_client_could_run_is_refused(target: Target, specification: str) -> None:
    assert target.refuses("newjob", specification) in (400, -32602)


# Pages and logs

HOSTILE_NAME = "<script>alert(1)</script>\"'><img src=x>\u202e\x1b[31m\r\nlistening on http://evil"


@pytest.fixture(scope="module")
def hostile_job(target: Target) -> int:
    """A job whose texts would do harm where they were shown or logged as they are; JSON carries what XML cannot."""
    name = HOSTILE_NAME.replace('"', '\\"').replace("\x1b", "\\u001b").replace("\r\n", "\\r\\n")
    specification = f'{{"name": "{name}", "command": "{name}", "description": "{name}"}}'
    (job,) = target.call(xml("newjob", specification)).value()
    assert isinstance(job, int)
    return job


def test_characters_that_xml_cannot_carry_never_leave(target: Target, hostile_job: int) -> None:
    found = target.call(xml("getJob", hostile_job, ["name", "command"])).value()
    assert found["name"] == HOSTILE_NAME.replace("\x1b", "\ufffd")


@pytest.mark.parametrize("path", ["/", "/jobs/view/{job}", "/notes.atom"])
def test_a_page_shows_hostile_texts_and_does_not_run_them(target: Target, hostile_job: int, path: str) -> None:
    target.live.call("addNote", HOSTILE_NAME.replace("\x1b", ""), None, hostile_job, None)
    answers = target.send(get(path.format(job=hostile_job), "Connection: close"))
    assert answers.status == 200
    assert b"script" in answers.body
    for raw in (b"<script>alert", b"<img src=x", b"\x1b", "\u202e".encode()):
        assert raw not in answers.body
    assert answers.headers["content-security-policy"] == "default-src 'self'; frame-ancestors 'none'"
    assert answers.headers["x-content-type-options"] == "nosniff"
    assert "access-control-allow-origin" not in answers.headers


@pytest.mark.parametrize(
    ("path", "kind"), [("/jobs/output/{job}", "text/plain"), ("/jobs/diagnostics/{job}", "application/json")]
)
def test_a_download_is_of_a_type_that_no_browser_runs(target: Target, hostile_job: int, path: str, kind: str) -> None:
    answers = target.send(get(path.format(job=hostile_job), "Connection: close"))
    assert answers.status == 200
    assert answers.headers["content-type"].startswith(kind)
    assert answers.headers["x-content-type-options"] == "nosniff"
    assert "attachment" in answers.headers["content-disposition"]


@pytest.mark.parametrize(
    "path",
    [
        "/jobs/output/../../../../etc/passwd",
        "/jobs/output/..%2f..%2fetc%2fpasswd",
        "/jobs/output/1%00",
        "/jobs/view/" + "9" * 400,
        "/jobs/view/1;drop",
        "/static/../pages.py",
        "/static/%2e%2e%2fpages.py",
        "/client/../hqserver.zip",
        "//etc/passwd",
        "/%ff%fe",
    ],
)
def test_no_path_leads_to_another_file(target: Target, path: str) -> None:
    answers = target.send(get(path, "Connection: close"))
    assert answers.status == 404
    assert b"root:" not in answers.body


def test_no_name_forges_a_line_of_the_log(target: Target) -> None:
    """The line is that of an upgrade that came to nothing, which tells the client's name and its words."""
    forged = "evil\r\nlistening on http://evil\t\x7f\u202e"
    assert target.call(xml("registerClient", {**identity(forged, "0" * 32), "upgradeError": forged})).value()["id"]
    assert "could not be upgraded" in target.server.said("evil")
    for line in target.server.lines:
        assert not line.startswith("listening on http://evil")
        assert line.isprintable()
