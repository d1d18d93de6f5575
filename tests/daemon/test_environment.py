from __future__ import annotations

import pytest

from hqclient.daemon.environment import base_environment, client_facts, command_environment

FACTS = client_facts(code_folder="/code", platform="linux-x86_64", server_url="http://farm:5000", hostname="node7")


def base(own: dict[str, str], keep: tuple[str, ...] = (), section: dict[str, str] | None = None) -> dict[str, str]:
    return base_environment(own=own, keep=keep, job_environment=section or {}, client_facts=FACTS)


@pytest.mark.parametrize("name", ["PATH", "HOME", "LC_ALL", "TZ", "NVIDIA_VISIBLE_DEVICES", "ProgramFiles(x86)"])
def test_what_a_command_needs_of_the_daemons_environment_is_kept(name: str) -> None:
    assert base({name: "value"})[name] == "value"


@pytest.mark.parametrize("name", ["AWS_SECRET_ACCESS_KEY", "HQCLIENT_SERVER", "PYTHONPATH", "XPATH", "HQ_RUN_TOKEN"])
def test_everything_else_is_left_out(name: str) -> None:
    assert base({name: "value"}) == FACTS


def test_the_configuration_adds_names_and_patterns() -> None:
    own = {
        "MAYA_LOCATION": "/maya",
        "RLM_LICENSE": "5053@lic",
        "OTHER": "no",
        "HQ_RUN_TOKEN": "of the daemon's own run",
    }
    assert base(own, ("MAYA_*", "RLM_LICENSE", "HQ_*")) == {
        "MAYA_LOCATION": "/maya",
        "RLM_LICENSE": "5053@lic",
        **FACTS,
    }


def test_the_clients_own_variables_are_there() -> None:
    assert base({}) == {
        "HQCLIENT": "/code",
        "HQCLIENTARCH": "linux-x86_64",
        "HQSERVER": "http://farm:5000",
        "HQHOSTS": "node7",
    }


def test_the_order_wins_over_the_section_which_wins_over_the_daemon() -> None:
    made = base({"PATH": "daemon", "TZ": "daemon"}, section={"PATH": "section", "TZ": "section"})
    assert command_environment(made, {"PATH": "order", "HQHOSTS": "a,b"}) == {
        **FACTS,
        "PATH": "order",
        "TZ": "section",
        "HQHOSTS": "a,b",
    }


def test_this_machines_mount_point_wins_over_the_servers() -> None:
    assert command_environment({}, {"HQROOT": "/mnt/hq"}) == {"HQROOT": "/mnt/hq"}
    assert command_environment({}, {"HQROOT": "/mnt/hq"}, "/Volumes/hq") == {"HQROOT": "/Volumes/hq"}


def test_one_commands_variables_do_not_reach_the_next() -> None:
    made = base({})
    command_environment(made, {"SHOW": "dragons"}, "/net")
    assert made == FACTS
