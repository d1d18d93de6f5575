import pytest
from run_kit import an_order

from hqclient.daemon.runs.command import CannotStart, Command, program_and_arguments


def command(shell: str, **environment: str) -> Command:
    return Command.of_order(an_order("echo hi", shell=shell, environment={"PATH": "/usr/bin:/bin", **environment}))


def test_without_a_shell_the_platforms_own_runs_the_command() -> None:
    assert program_and_arguments(command("")) == ["/bin/sh", "-c", "echo hi"]


def test_a_shell_is_looked_up_in_the_commands_path() -> None:
    program, *arguments = program_and_arguments(command("bash"))
    assert program.endswith("/bash")
    assert arguments == ["-c", "echo hi"]
    with pytest.raises(CannotStart) as refused:
        program_and_arguments(command("bash", PATH="/nowhere"))
    assert refused.value.exit_code == 127
    assert str(refused.value) == "there is no shell 'bash' on this machine"


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("cmd", ["/d", "/s", "/c"]), ("PowerShell.EXE", ["-NoProfile", "-Command"]), ("tcsh", ["-c"])],
)
def test_each_kind_of_shell_takes_a_command_its_own_way(
    tmp_path_factory: pytest.TempPathFactory, name: str, arguments: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("shells")
    (folder / name).touch(mode=0o755)
    found = program_and_arguments(command(name, PATH=str(folder)))
    assert found == [str(folder / name), *arguments, "echo hi"]


def test_the_token_is_in_the_environment_and_nothing_else_is_added() -> None:
    order = an_order(environment={"A": "1", "HQ_RUN_TOKEN": "forged"})
    assert Command.of_order(order).environment == {"A": "1", "HQ_RUN_TOKEN": order["run"]}


@pytest.mark.parametrize("missing", ["run", "command", "environment", "logLimit", "killGrace", "progressPatterns"])
def test_an_order_without_a_key_is_no_order(missing: str) -> None:
    order = an_order()
    del order[missing]
    with pytest.raises(KeyError):
        Command.of_order(order)
