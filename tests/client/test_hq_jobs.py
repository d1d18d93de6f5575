"""`hq list`, `show`, `output`, `wait`, `cancel` and `note`: text, JSON and exit codes."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest
from hq_over_toys import Hq, Said, quick_hq
from toy_farm import NOW

from hqclient.cli.exits import Exit


@pytest.fixture
def hq(monkeypatch: pytest.MonkeyPatch) -> Hq:
    return quick_hq(monkeypatch)


def test_list_shows_unfinished_root_jobs_newest_first(hq: Hq) -> None:
    hq.toy.add("Render", "running", overallProgress=0.5, tasks={"total": 10, "finished": 4, "failed": 1})
    hq.toy.add("frame", "running", parents=[1])
    hq.toy.add("Old", "succeeded")
    hq.toy.add("Next", submittedBy="ada")
    said = hq("list")
    assert (said.code, said.err) == (Exit.OK, "")
    assert [line.rstrip() for line in said.out.splitlines()] == [
        "ID  NAME    STATUS    PROGRESS         TASKS            BY        AGE  TIME",
        " 4  Next    runnable  ░░░░░░░░░░   0%                   ada  2 h 14 m",
        " 1  Render  running   █████░░░░░  50%  4/10 (1 failed)       2 h 14 m  42 s",
    ]


def test_list_options_choose_jobs(hq: Hq) -> None:
    for name, status, parents in (("a", "failed", []), ("b", "running", []), ("c", "failed", [2])):
        hq.toy.add(name, status, parents=parents)

    def ids(*options: str) -> list[int]:
        return [job["id"] for job in hq("list", "--json", *options).json]

    assert ids() == [2]
    assert ids("--all") == [2, 1]
    assert ids("--all", "--children") == [3, 2, 1]
    assert ids("--status", "failed") == [1]
    assert ids("--status", "failed", "--children") == [3, 1]
    assert ids("--status", "failed,running") == ids("--status", "failed", "--status", "running") == [2, 1]
    assert ids("--all", "--limit", "1") == [2]


def test_list_says_how_many_more_there_are(hq: Hq) -> None:
    for number in range(5):
        hq.toy.add(f"job {number}")
    said = hq("list", "--limit", "2")
    assert len(said.out.splitlines()) == 3
    assert said.err == "hq: 3 more; --limit 0 shows all\n"
    assert len(hq("list", "--limit", "0").out.splitlines()) == 6


def test_list_goes_on_over_pages_that_are_shorter_than_its_limit(hq: Hq) -> None:
    for number in range(5):
        hq.toy.add(f"job {number}")
    hq.toy.jobs_a_page = 2
    assert [job["id"] for job in hq("list", "--json", "--limit", "0").json] == [5, 4, 3, 2, 1]
    assert [job["id"] for job in hq("list", "--json", "--limit", "3").json] == [5, 4, 3]


def test_list_options_become_a_filter(hq: Hq) -> None:
    words = """list --name shot* --text x --by ada --by bob --tag wip --property k=a=b --client node1 --group gpu
        --priority 3 --since 2h --ended-before 2026-01-31 --sort=-endTime,name --root 7"""
    assert hq(*words.split()).code == Exit.OK
    ((wanted, _, sort, limit, _),) = hq.toy.called("findJobs")
    assert wanted == {
        "name": "shot*",
        "text": "x",
        "submittedBy": ["ada", "bob"],
        "tags": ["wip"],
        "properties": {"k": "a=b"},
        "client": ["node1"],
        "group": ["gpu"],
        "priority": 3,
        "since": NOW - timedelta(hours=2),
        "endedBefore": datetime(2026, 1, 31),  # noqa: DTZ001  # naive UTC, as on the wire
        "root": 7,
        "rootsOnly": False,
    }
    assert (sort, limit) == (["-endTime", "name"], 100)


def test_list_counts(hq: Hq) -> None:
    hq.toy.add("a")
    assert hq("list", "--count").out == "1\n"
    assert hq("list", "--count", "--json").json == {"count": 1, "more": False}
    hq.toy.counts_up_to = 0
    assert hq("list", "--count").out == "0 or more\n"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--since", "soon"], "--since is a time such as 2h, 3d or 2026-01-31T23:59, not 'soon'"),
        (["--property", "film"], "--property is NAME=TEXT, not 'film'"),
    ],
)
def test_list_refuses_options_that_mean_nothing(hq: Hq, options: list[str], sentence: str) -> None:
    said = hq("list", *options)
    assert (said.code, said.err) == (2, f"hq: {sentence}\n")


def test_list_of_nothing_is_no_table(hq: Hq) -> None:
    said = hq("list")
    assert (said.code, said.out, said.err) == (0, "", "hq: no unfinished jobs (--all shows every job)\n")
    assert hq("list", "--json").json == []


def test_list_refuses_a_status_that_does_not_exist(hq: Hq) -> None:
    said = hq("list", "--status", "runing")
    assert (said.code, said.err) == (2, "hq: no status is called 'runing'; did you mean 'running'?\n")


def test_json_has_times_in_iso_8601_with_z(hq: Hq) -> None:
    hq.toy.add("x", "running")
    assert hq("list", "--json").json[0]["startTime"] == "2026-11-21T03:59:18Z"


def _full_job(hq: Hq) -> int:
    hq.toy.add("frame 1", "succeeded")
    hq.toy.add("frame 2", "running", overallProgress=0.4)
    hq.toy.add("both", "queued", children=[1, 2])
    return hq.toy.add(
        "Film",
        "queued",
        children=[3, 1],
        uiStatus="running (1 clients assigned)",
        overallProgress=0.7,
        command="cat *.png\n\tdone \x9b2J",
        environment={"SHOT": "12"},
        submittedBy="ada",
        priority=5,
        cpus=0,
        description="The film\nof the year",
        clients=[{"id": 1, "hostname": "node1", "label": "node1:a"}],
        tasks={"total": 3, "finished": 1, "failed": 0},
        ETA=75.0,
        threadId=1,
        logs=[{"time": NOW, "event": "submitted", "status": "queued", "message": "submitted", "client": ""}],
    )


def test_show_tells_everything_about_a_job(hq: Hq) -> None:
    job_id = _full_job(hq)
    hq.toy.notes.append(("mind the gap\nand the door", None, job_id, None))
    said = hq("show", str(job_id))
    assert said.code == Exit.OK
    shown = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "WHEN", said.out)
    assert shown == (
        "Job 4  Film  running (1 clients assigned)\n"
        "  status        running (1 clients assigned)\n"
        "  progress      ██████████████░░░░░░  70%\n"
        "  tasks         1/3\n"
        "  time left     1 m 15 s\n"
        "  description   The film\n"
        "                of the year\n"
        "  command       cat *.png\n"
        "                        done \\x9b2J\n"
        "  environment   SHOT=12\n"
        "  submitted by  ada\n"
        "  priority      5\n"
        "  CPUs          all\n"
        "  clients       node1:a\n"
        "  queued        WHEN (2 h 14 m ago)\n"
        "\n"
        "Children\n"
        "  ├─ 3 both  queued\n"
        "  │  ├─ 1 frame 1  succeeded\n"
        "  │  └─ 2 frame 2  running 40%\n"
        "  └─ 1 frame 1 (above)\n"
        "\n"
        "History\n"
        "  TIME                 STATUS  CLIENT\n"
        "  WHEN  queued          submitted\n"
        "\n"
        "Notes\n"
        "  WHEN  mind the gap\n"
        "                       and the door\n"
    )


def test_show_shortens_what_would_flood_the_terminal(hq: Hq) -> None:
    long, lines = "x" * 1_000_000, "\n".join(f"line {number}" for number in range(50))
    job = hq.toy.add("long", "queued", command=long, environment={"A": "y" * 5000}, description=lines)
    said = hq("show", str(job))
    assert len(said.out) < 6000
    assert "(1000000 characters; hq show --json shows all)" in said.out
    assert "line 19..." in said.out and "line 20" not in said.out
    assert hq("--json", "show", str(job)).json["command"] == long


def test_show_fits_its_history_to_the_terminal(hq: Hq) -> None:
    line = {"time": NOW, "event": "", "status": "failed", "message": "why " * 50, "client": "node1"}
    hq.toy.add("x", logs=[line])
    hq.width = 60
    assert max(map(len, hq("show", "1").out.splitlines())) == 60


def test_show_cuts_a_tree_nobody_would_read(hq: Hq) -> None:
    children = [hq.toy.add(f"frame {number}") for number in range(1000)]
    job_id = hq.toy.add("Film", children=children)
    lines = hq("show", str(job_id)).out.splitlines()
    assert sum("frame" in line for line in lines) == 200
    assert lines[-1] == "  ... (hq list --children shows every job)"


def test_show_json_is_what_getjob_returns(hq: Hq) -> None:
    shown = hq("show", "--json", str(_full_job(hq))).json
    assert (shown["name"], shown["logs"][0]["time"]) == ("Film", "2026-11-21T04:00:00Z")


def test_a_hostile_name_cannot_act_on_the_terminal(hq: Hq) -> None:
    name = "\x9b2Jowned\x7f\x85row\nrow\u202egnp"  # XML carries these; it has no ESC
    hq.toy.add(name, threadId=None)
    for said in (hq("list"), hq("show", "1"), hq("wait", "--timeout", "0", "1"), hq("cancel", "1")):
        assert not set(said.out + said.err) & set("\x9b\x7f\x85\u202e")
    assert "\\x9b2Jowned\\x7f\\x85row\\nrow\\u202egnp" in hq("list", "--all").out


def test_output_is_the_text_as_it_is(hq: Hq) -> None:
    hq.toy.outputs[hq.toy.add("x")] = "\x9b31mred\x9b0m\nlast"
    assert hq("output", "1") == Said(0, "\x9b31mred\x9b0m\nlast", "")
    assert hq("output", "1", "--tail", "4").out == "last"
    assert hq("output", "1", "--json").json == "\x9b31mred\x9b0m\nlast"


def test_output_follows_until_the_job_ends(hq: Hq) -> None:
    hq.toy.outputs[hq.toy.add("x", "running")] = "one\n"

    def write_and_end() -> None:
        hq.toy.outputs[1] += "two\n"
        hq.toy.end(1, "failed")

    hq.toy.steps.extend([lambda: None, write_and_end])
    assert hq("output", "-f", "1") == Said(0, "one\ntwo\n", "")


@pytest.mark.parametrize("option", [["--json"], ["--tail", "5"]])
def test_output_follow_refuses_options_that_mean_nothing_to_it(hq: Hq, option: list[str]) -> None:
    hq.toy.add("x", "succeeded")
    assert hq("output", "-f", "1", *option).code == Exit.USAGE


def test_wait_tells_how_each_job_ended(hq: Hq) -> None:
    hq.toy.add("a", "succeeded")
    hq.toy.add("b", "running")
    hq.toy.steps.extend([lambda: None, lambda: hq.toy.end(2, "succeeded")])
    said = hq("wait", "1", "2")
    assert said == Said(0, "1  succeeded  a (42 s)\n2  succeeded  b (42 s)\n", "")


@pytest.mark.parametrize("status", ["failed", "cancelled", "abandoned"])
def test_wait_ends_with_1_if_one_job_did_not_succeed(hq: Hq, status: str) -> None:
    hq.toy.add("a", "succeeded")
    hq.toy.add("b", status)
    said = hq("wait", "--json", "1", "2")
    assert said.code == Exit.JOBS_FAILED
    assert said.json == [{"id": 1, "status": "succeeded"}, {"id": 2, "status": status}]


def test_wait_goes_on_past_a_pause_and_tells_it_once(hq: Hq) -> None:
    hq.toy.add("a", "running")

    def be(status: str) -> None:
        hq.toy.jobs[1].update(status=status, uiStatus=status)

    hq.toy.steps.extend(
        [*[lambda: be("paused")] * 3, lambda: be("running"), lambda: be("paused"), lambda: hq.toy.end(1, "succeeded")]
    )
    told = "hq: job 1 is paused; to let it go on: hq resume 1\n"
    assert hq("wait", "1") == Said(0, "1  succeeded  a (42 s)\n", told * 2)


def test_wait_ends_with_124_when_time_is_up(hq: Hq) -> None:
    hq.toy.add("a", "running")
    said = hq("wait", "--timeout", "0", "1")
    assert said == Said(124, "", "hq: not finished within 0 seconds: job 1 is running\n")


def test_wait_for_a_job_that_does_not_exist_ends_with_3(hq: Hq) -> None:
    hq.toy.add("a", "succeeded")
    assert hq("wait", "1", "98", "99") == Said(3, "", "hq: no job 98, 99\n")


def test_cancel_tells_what_became_of_each_job(hq: Hq) -> None:
    hq.toy.add("a")
    hq.toy.add("b", "running")
    hq.toy.add("c", "succeeded")
    said = hq("cancel", "1", "2", "3", "1")
    assert said == Said(0, "1  cancelled  a\n2  running: ending on node1  b\n3  had ended: succeeded  c\n", "")
    assert hq.toy.called("cancelJobs") == [([1, 2, 3],)]


def test_cancel_ends_what_it_can_and_tells_what_is_missing(hq: Hq) -> None:
    hq.toy.add("a")
    assert hq("cancel", "99", "1") == Said(3, "1  cancelled  a\n", "hq: no job 99\n")
    assert hq("cancel", "99").code == Exit.REFUSED


def test_cancel_json_tells_what_each_job_was_and_is(hq: Hq) -> None:
    hq.toy.add("a", priority=3)
    hq.toy.add("b", "running", priority=0)
    assert hq("cancel", "--json", "1", "2").json == [
        {"id": 1, "was": "runnable", "now": "cancelled", "why": "", "priority": 3},
        {"id": 2, "was": "running", "now": "running", "why": "ending on node1", "priority": 0},
    ]


def test_note_is_stored_in_the_words_given(hq: Hq) -> None:
    hq.toy.add("a")
    assert hq("note", "1", "looks", "good") == Said(0, "", "")
    assert hq("note", "--json", "1", "again").json is True
    assert hq.toy.notes == [("looks good", None, 1, None), ("again", None, 1, None)]


def test_note_needs_a_text_and_a_job(hq: Hq) -> None:
    assert hq("note", "1", " ").code == Exit.USAGE
    assert hq("note", "1", "text").code == Exit.REFUSED
    assert hq.toy.notes == []
