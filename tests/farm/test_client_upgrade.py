"""Client code from a real server to real clients (CONTRACT 5.1, 9.28)."""

from __future__ import annotations

import hashlib
import io
import socket
import sys
import zipfile
from unittest.mock import ANY
from urllib.error import HTTPError
from urllib.request import urlopen
from xmlrpc.client import ServerProxy

import pytest
from live_farm import BIN, LiveFarm, Program, wait_until

from hqserver.domain.package import unpack
from hqserver.services.clients.package import client_package

pytestmark = pytest.mark.farm


def start_old_client(farm: LiveFarm, **environ: str) -> None:
    """A client whose installed code is not the server's."""
    code = farm.folder / "installed"
    for name, content in unpack(client_package().data).items():
        path = code / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (code / "hqclient" / "daemon" / "old.py").write_text("OLD = True\n")
    words = [
        "--server",
        farm.url,
        "--name",
        "alpha",
        "--cpus",
        "2",
        "--port",
        "0",
        "--data",
        str(farm.folder / "alpha"),
    ]
    program = Program([sys.executable, "-P", "-m", "hqclient", *words], {"PYTHONPATH": str(code), **environ})
    farm.clients["alpha"] = program
    program.said("registered as client")


def test_a_client_is_upgraded_while_its_job_runs(live: LiveFarm) -> None:
    """1.2 `upgradeClients`, 1.3 `needsUpgrade`, P6."""
    start_old_client(live, HQCLIENT_AUTO_UPGRADE="no")
    gate = live.folder / "gate"
    (job,) = live.call("newjob", {"name": "x", "command": f"echo a; while [ ! -e {gate} ]; do sleep .02; done; echo b"})
    wait_until(lambda: live.call("getJobOutput", job) == "a\n", what="the job to print")
    (client,) = live.call("getClients", None, ["id", "needsUpgrade", "version"])
    assert client["needsUpgrade"] is True

    live.call("upgradeClients", [client["id"]])
    wait_until(
        lambda: not live.call("getClient", client["id"], ["needsUpgrade"])["needsUpgrade"],
        what="the client to be upgraded",
        show=lambda: live.clients["alpha"].lines,
    )
    upgraded = live.call("getClient", client["id"], ["version", "runningJobs"])
    assert upgraded["version"] != client["version"]
    assert upgraded["runningJobs"] == [job]
    gate.touch()
    live.wait_for(job, "succeeded")
    assert live.call("getJobOutput", job) == "a\nb\n"
    assert "lost" not in [entry["event"] for entry in live.job(job, "logs")]


def test_a_client_takes_the_servers_code_at_its_start(live: LiveFarm) -> None:
    """5.1, 5.7: `auto_upgrade`."""
    start_old_client(live)
    wait_until(
        lambda: live.call("getClients", None, ["needsUpgrade"]) == [{"id": 1, "hostname": ANY, "needsUpgrade": False}],
        what="the client to be upgraded",
        show=lambda: live.clients["alpha"].lines,
    )


def test_a_client_that_terminates_is_gone_from_the_list_when_it_has_ended(live: LiveFarm) -> None:
    """1.4, 9.22."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = ["--server", live.url, "--port", str(port), "--data", str(live.folder / "alpha")]
    client = live.clients["alpha"] = Program([str(BIN / "hqclient"), *words])
    client.said("registered as client")
    with ServerProxy(f"http://127.0.0.1:{port}") as proxy:
        assert proxy.terminate() is True
    assert client.process.wait(30) == 0
    assert live.call("getClients") == []


def test_the_server_gives_the_package_whose_hash_its_clients_report_as_version(farm_of_one: LiveFarm) -> None:
    (client,) = farm_of_one.call("getClients", None, ["version"])
    with urlopen(f"{farm_of_one.url}/client/{client['version']}.zip") as answer:
        assert answer.headers["Content-Type"] == "application/zip"
        assert "immutable" in answer.headers["Cache-Control"]
        package = answer.read()
    assert hashlib.sha256(package).hexdigest() == client["version"]
    names = zipfile.ZipFile(io.BytesIO(package)).namelist()
    assert "hqclient/daemon/agent.py" in names
    assert not any(name.startswith("hqserver/store") for name in names)


def test_another_package_is_not_found(live: LiveFarm) -> None:
    with pytest.raises(HTTPError, match="404") as refused:
        urlopen(f"{live.url}/client/{'0' * 64}.zip")
    with refused.value as answer:
        assert b"the client package of this server is /client/" in answer.read()
