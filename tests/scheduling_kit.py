"""What tests of the scheduler share: more clients, passes, and a look at who runs, holds and waits for what."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from farm_kit import TestClient, submit

from hqserver.domain.availability import as_rules, to_text
from hqserver.services.dispatch import assignment
from hqserver.services.farm import Farm
from hqserver.services.queries import lookup


def another(farm: Farm, hostname: str, **differences: Any) -> TestClient:
    """A further client, registered and heard."""
    name = differences.get("name", "")
    client = TestClient(farm, hostname=hostname, session=f"{hostname}:{name}", **differences)
    client.register()
    client.beat()
    return client


def several(farm: Farm, hostnames: str, **differences: Any) -> list[TestClient]:
    """A client on each of these hosts, named in one text."""
    return [another(farm, hostname, **differences) for hostname in hostnames.split()]


def passes(farm: Farm) -> int:
    """Let passes happen until one finds nothing more to do; how many that were."""
    for count in range(1, 100):
        if not assignment.dispatch_pass(farm):
            return count
    raise AssertionError("the passes do not end")


def busy(farm: Farm, *clients: TestClient) -> list[int]:
    """A job on each of these clients that takes all of it."""
    jobs = [submit(farm, command="x", cpus=0, host=client.hostname) for client in clients]
    passes(farm)
    return jobs


def live(farm: Farm) -> dict[int, list[str]]:
    """The clients that hold live runs of each job, by label, in the order of their slots."""
    found: dict[int, list[str]] = {}
    with farm.database.read() as connection:
        rows = connection.execute("SELECT job_id, client_id FROM run WHERE ended_at IS NULL ORDER BY job_id, slot")
        for job_id, client_id in rows.fetchall():
            found.setdefault(job_id, []).append(farm.watch.label(client_id))
    return found


def handed_out(farm: Farm) -> dict[int, list[str]]:
    """What is live once passes have handed out all they can."""
    passes(farm)
    return live(farm)


def run_of(farm: Farm, job_id: int) -> str:
    """The live run of the job's command."""
    with farm.database.read() as connection:
        row = connection.execute(
            "SELECT id FROM run WHERE job_id = ? AND slot = 0 AND ended_at IS NULL", [job_id]
        ).fetchone()
    return str(row[0])


def end(client: TestClient, job_id: int, code: int = 0) -> None:
    """The client says that the job's command ended."""
    client.beat(client.ended(run_of(client.farm, job_id), code))


def detail(farm: Farm, job_id: int, name: str) -> Any:
    """One attribute of a job."""
    return lookup.job_detail(farm, job_id, [name])[name]


def waiting_for(farm: Farm, job_id: int) -> str:
    """What the job says that it waits for."""
    return str(detail(farm, job_id, "waitingFor"))


def held_for(farm: Farm, job_id: int) -> list[str]:
    """Labels of the clients that are held for the job."""
    return [str(client["label"]) for client in detail(farm, job_id, "clientsOnHold")]


def events(farm: Farm, job_id: int) -> list[tuple[str, str]]:
    """The lines of the job's status log, event and message."""
    return [(line["event"], line["message"]) for line in detail(farm, job_id, "logs")]


def silence(clock: Any, *others: TestClient, seconds: float) -> None:
    """Time goes by, in which only these clients are heard."""
    while seconds > 0:
        step = min(seconds, 10.0)
        clock.advance(step)
        seconds -= step
        for client in others:
            client.beat()


def condition(name: str, op: str, value: str) -> dict[str, str]:
    """A condition as a specification writes it."""
    return {"type": "client", "name": name, "op": op, "value": value}


def set_rules(client: TestClient, *rules: dict[str, Any]) -> None:
    """Give a client these availability rules."""
    presence = client.farm.watch.get(client.id)
    assert presence is not None
    presence.row.availability = to_text(as_rules(list(rules)))


def submit_all(farm: Farm, specifications: Iterable[dict[str, Any]]) -> list[int]:
    """Submit jobs one by one; their ids."""
    return [submit(farm, **specification) for specification in specifications]
