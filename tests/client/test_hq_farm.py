"""`hq resource`, `folder`, `note`, `notes`, `errors` and `config` over the farm's real methods."""

from __future__ import annotations

import pytest
from farm_kit import submit
from hq_over_services import ServicesHq
from hq_over_toys import Said

from hqclient.cli.exits import Exit
from hqserver.services.farm import Farm


def test_resources_are_listed_with_what_is_in_use(farm_hq: ServicesHq) -> None:
    farm_hq("resource", "set", "db", "3")
    lines = farm_hq("resources").out.splitlines()
    assert lines[0].split() == ["RESOURCE", "TOTAL", "IN", "USE", "COUNTED"]
    assert lines[1].split() == ["sidefx.license.houdini", "unlimited", "0", "per", "machine"]
    assert lines[-1].split() == ["db", "3", "0", "per", "job"]


def test_a_resource_keeps_its_way_of_counting_unless_told(farm_hq: ServicesHq) -> None:
    assert farm_hq("resource", "set", "sidefx.license.karma", "2").out == (
        "sidefx.license.karma  2, 0 in use, counted per machine\n"
    )
    assert farm_hq("resource", "set", "sidefx.license.karma", "unlimited").out.split()[1] == "unlimited,"
    assert farm_hq("resource", "set", "db", "2", "--per-machine", "--json").json["perMachine"] is True
    assert farm_hq("resource", "set", "db", "2", "--per-job", "--json").json["perMachine"] is False


def test_a_rate_is_set_and_shown_per_minute(farm_hq: ServicesHq) -> None:
    said = farm_hq("resource", "set", "api", "30", "--per-minute").out
    assert said == "api  30, 0 in the last minute, counted starts per minute\n"
    assert farm_hq("resource", "set", "api", "20", "--json").json["counted"] == "rate"
    assert farm_hq("resources").out.splitlines()[-1].split() == ["api", "20", "0", "starts", "per", "minute"]
    assert farm_hq("resource", "set", "api", "20", "--per-job").out.endswith("counted per job\n")
    assert farm_hq("resource", "set", "api", "20", "--per-job", "--per-minute").code == Exit.USAGE


def test_resources_are_deleted_all_or_none(farm_hq: ServicesHq) -> None:
    for name in ("db", "render slots"):
        farm_hq("resource", "set", name, "1")
    said = farm_hq("resource", "delete", "db", "render slts")
    assert said == Said(3, "", "hq: no resource is called 'render slts'; did you mean 'render slots'?\n")
    assert farm_hq("resource", "delete", "db", "render slots").out == "db  deleted\nrender slots  deleted\n"
    assert farm_hq("resource", "delete", "sidefx.license.karma").code == Exit.REFUSED


@pytest.mark.parametrize("argv", [["set", "db", "many"], ["set", "db", "1", "--per-job", "--per-machine"], ["sett"]])
def test_a_wrong_resource_is_one_sentence(farm_hq: ServicesHq, argv: list[str]) -> None:
    said = farm_hq("resource", *argv)
    assert (said.code, said.err.count("\n"), farm_hq.transport.calls) == (Exit.USAGE, 1, [])


def test_a_folder_is_registered_changed_and_forgotten(farm_hq: ServicesHq) -> None:
    assert (
        farm_hq("folder", "set", "SHOTS", "--linux", "/mnt/shots", "--host", "nas").out == "SHOTS  linux /mnt/shots\n"
    )
    changed = farm_hq("folder", "set", "SHOTS", "--windows", r"\\nas\shots", "--json").json
    assert (changed["linux"], changed["host"], changed["main"]) == ("/mnt/shots", "nas", False)
    assert farm_hq("folder", "set", "SHOTS", "--main").out.startswith("SHOTS (main)  linux /mnt/shots, windows")
    assert farm_hq("folders").out.splitlines()[1].split()[:2] == ["SHOTS", "(main)"]
    assert farm_hq("folder", "set", "SHOTS", "--linux", "shots").code == Exit.REFUSED
    assert farm_hq("folder", "delete", "SHOTS", "SHOT").code == Exit.REFUSED
    assert farm_hq("folder", "delete", "SHOTS").out == "SHOTS  forgotten; what lies in it stays\n"
    assert [folder["name"] for folder in farm_hq.farm.network_folders()] == ["HQROOT"]


def test_notes_stand_on_jobs_clients_threads_and_the_farm(farm: Farm, farm_hq: ServicesHq) -> None:
    submit(farm, command="x")
    for argv in (
        ["1", "looks", "good"],
        ["--client", "alpha", "fan is loud"],
        ["--general", "closed on Monday"],
        ["--thread", "3", "and on Tuesday"],
    ):
        assert farm_hq("note", *argv) == Said(0, "", "")
    latest = [line.split()[2:] for line in farm_hq("notes").out.splitlines()[1:]]
    assert [words[0] for words in latest] == ["farm", "alpha", "job"]
    assert [note["text"] for note in farm_hq("notes", "--json").json] == [
        *("and on Tuesday", "fan is loud", "looks good"),
    ]
    for argv, texts in (
        (["1"], ["looks good"]),
        (["--client", "alpha"], ["fan is loud"]),
        (["--thread", "3"], ["closed on Monday", "and on Tuesday"]),
    ):
        assert [note["text"] for note in farm_hq("notes", "--json", *argv).json] == texts


def test_a_thread_is_shown_as_it_was_written(farm: Farm, farm_hq: ServicesHq) -> None:
    submit(farm, command="x")
    farm_hq("note", "1", "mind the gap\nand the door")
    farm_hq("note", "1", "done \x9b2J")
    first, second, third = farm_hq("notes", "1").out.splitlines()
    assert first.startswith("1  ") and first.endswith("  mind the gap")
    assert second == " " * first.index("mind") + "and the door"
    assert third.endswith("  done \\x9b2J")
    assert farm_hq("notes").out.splitlines()[1].startswith("   2       1  job 1")


def test_a_note_about_nothing_is_refused(farm: Farm, farm_hq: ServicesHq) -> None:
    submit(farm, command="x")
    for argv, code in (
        (["99", "text"], Exit.REFUSED),
        (["--client", "alhpa", "text"], Exit.REFUSED),
        (["--thread", "7", "text"], Exit.REFUSED),
        (["closed", "on", "Monday"], Exit.USAGE),
        (["1"], Exit.USAGE),
        (["--general", " "], Exit.USAGE),
        (["1", "text", "--all"], Exit.USAGE),
        (["--general", "--thread", "1", "text"], Exit.USAGE),
        ([], Exit.USAGE),
    ):
        said = farm_hq("note", *argv)
        assert (said.code, said.out, said.err.count("\n")) == (code, "", 1), argv
    assert farm_hq("notes") == Said(0, "", "hq: no notes\n")
    assert farm_hq("notes", "--thread", "7").code == Exit.REFUSED


def test_notes_are_deleted_newest_first_so_that_a_thread_can_go_whole(farm: Farm, farm_hq: ServicesHq) -> None:
    """9.26: a first note with others left is not removed."""
    submit(farm, command="x")
    for text in ("one", "two", "three"):
        farm_hq("note", "1", text)
    said = farm_hq("note", "--delete", "1")
    assert (said.code, said.out) == (Exit.REFUSED, "")
    assert said.err.startswith("hq: not deleted: note 1; ")
    assert farm_hq("note", "--delete", "1", "2", "3") == Said(0, "3  deleted\n2  deleted\n1  deleted\n", "")
    assert farm_hq("note", "--delete").code == Exit.USAGE


def test_all_notes_are_deleted_at_once(farm: Farm, farm_hq: ServicesHq) -> None:
    submit(farm, command="x")
    for argv in (["1", "a"], ["1", "b"], ["--general", "c"]):
        farm_hq("note", *argv)
    assert farm_hq("note", "--delete", "--all", "1").code == Exit.USAGE
    assert farm_hq("note", "--delete", "--all").out == "deleted 2 threads with all their notes\n"
    assert farm_hq("notes", "--json").json == []
    assert farm_hq("note", "--delete", "--all", "--json").json == {"deletedThreads": []}


def test_errors_of_the_server_and_of_a_client(farm: Farm, farm_hq: ServicesHq) -> None:
    assert farm_hq("errors") == farm_hq("errors", "alpha") == Said(0, "", "hq: no errors\n")
    assert farm_hq("errors", "--json").json == {}
    assert farm_hq("errors", "alhpa").code == Exit.REFUSED


def test_config_prints_what_the_file_says(farm: Farm, farm_hq: ServicesHq) -> None:
    farm.settings["hqserver.activeTimeout"] = "3"  # type: ignore[index]
    assert farm_hq("config", "hqserver.activeTimeout") == Said(0, "3\n", "")
    assert farm_hq("config", "--json", "hqserver.activeTimeout").json == "3"
    nothing = "hq: the server's configuration file says nothing for 'nonsense'\n"
    assert farm_hq("config", "nonsense") == Said(3, "", nothing)
