"""The commands that pages show are commands that `hq` takes (CONTRACT 9.27: every button is an `hq` command)."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

import pytest
from farm_kit import TestClient, submit
from page_reader import HOSTILE, read

from hqclient.cli.arguments import build_parser
from hqserver.domain.status import JobStatus
from hqserver.services.control import commands
from hqserver.services.farm import Farm
from webui import actions
from webui.pages import Site
from webui.pieces import Action

PLACEHOLDERS = {"JOB": "7", "N": "5", "TOTAL": "4", "NOTE": "3", "PATH": "/mnt/x"}


def words_of(command: str) -> list[str]:
    """The command as a shell would hand it to `hq`, with something in place of what is to be filled in."""
    program, *words = shlex.split(command)
    assert program == "hq"
    return [PLACEHOLDERS.get(word, word) for word in words]


def job(status: str, **attributes: Any) -> dict[str, Any]:
    usual = {"id": 12, "status": status, "held": "", "blockedClients": [], "showBlockedClientsWarning": True}
    return {**usual, **attributes}


def client(label: str, **attributes: Any) -> dict[str, Any]:
    return {"label": label, "disabled": False, "needsUpgrade": True, "outside": False, **attributes}


SHOWN: list[Sequence[Action]] = [
    actions.jobs_actions(),
    *(actions.job_actions(job(status)) for status in JobStatus),
    actions.job_actions(job("queued", held="pause", blockedClients=["alpha"])),
    actions.job_actions(job("failed", blockedClients=["alpha"], showBlockedClientsWarning=False)),
    actions.clients_actions(),
    actions.client_actions(client("alpha:night")),
    actions.client_actions(client("alpha", disabled=True, needsUpgrade=False)),
    actions.groups_actions(),
    actions.group_actions("Render racks"),
    actions.resources_actions(),
    actions.notes_actions(None),
    actions.notes_actions(3),
    actions.folders_actions(),
]


@pytest.mark.parametrize("command", sorted({action.command for shown in SHOWN for action in shown}))
def test_every_command_that_a_page_shows_is_one_that_hq_takes(command: str) -> None:
    args = build_parser().parse_args(words_of(command))
    assert callable(args.run)


@pytest.mark.parametrize("name", [*HOSTILE, "$(reboot)", "`id`", "a b; rm -rf ~", "-x", "--server=http://evil.example"])
def test_a_name_in_a_command_is_one_word_and_no_option(name: str) -> None:
    for action in (*actions.client_actions(client(name)), *actions.group_actions(name)):
        args = build_parser().parse_args(words_of(action.command))
        assert args.server is None, action.command
        found = args.client if hasattr(args, "client") and "group" not in args else args.group
        assert name in (found, *(found if isinstance(found, list) else ())), action.command


def test_a_job_shows_what_can_be_done_about_it_as_it_is(farm: Farm, client: TestClient) -> None:
    number = submit(farm, command="true")
    site = Site(farm)
    waiting = read(site, f"/jobs/view/{number}").text
    assert f"hq pause {number}" in waiting and f"hq priority {number} N" in waiting
    assert f"hq resume {number}" not in waiting and f"hq delete {number}" not in waiting
    assert f"hq eject {number}" not in waiting
    commands.pause(farm, [number], "no")
    assert f"hq resume {number}" in read(Site(farm), f"/jobs/view/{number}").text
    commands.cancel(farm, [number], "no")
    ended = read(Site(farm), f"/jobs/view/{number}").text
    assert f"hq reschedule {number}" in ended and f"hq delete {number}" in ended and "hq cancel" not in ended


def test_a_runner_from_outside_is_neither_upgraded_nor_restarted() -> None:
    shown = [each.command for each in actions.client_actions(client("laptop", outside=True, needsUpgrade=False))]
    assert [each.split()[1] for each in shown] == ["disable", "available", "describe", "remove", "note"]
