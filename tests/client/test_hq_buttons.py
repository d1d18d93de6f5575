"""9.27: every button of HQueue's pages (CONTRACT section 6) is a method and an `hq` command."""

from __future__ import annotations

import pytest
from farm_kit import TestClient, submit
from hq_over_services import ServicesHq

from hqserver.services.farm import Farm

BUTTONS = (
    # Jobs page (6.1) and job page (6.2)
    ("Reschedule", "rescheduleJobs", "retry 1"),
    ("Cancel", "cancelJobs", "cancel 1"),
    ("Pause", "pauseJobs", "pause 1"),
    ("Resume", "resumeJobs", "resume 1"),
    ("Delete", "deleteJobs", "delete 2"),
    ("Reschedule Failed Jobs", "rescheduleJobs", "retry --failed"),
    ("Delete Failed Jobs", "deleteJobs", "delete --failed"),
    ("Delete Finished Jobs", "deleteJobs", "delete --finished"),
    ("Eject (RPC and mail only)", "ejectJobs", "eject 1"),
    ("Priority", "setJobPriority", "priority 1 5"),
    ("Note of a job", "addNote", "note 1 text"),
    ("Thread of a job", "getNoteThreads", "notes 3"),
    ("Properties, Status Log, diagnostics", "getJob", "show --json 1"),
    ("Download Output", "getJobOutput", "output 1"),
    ("Edit permitted clients: show", "getPermittedClientsList", "permit 1"),
    ("Edit permitted clients: save", "savePermittedClientsList", "permit 1 alpha"),
    # Clients page and client page (6.3)
    ("Enabled: off", "setdisabled", "disable alpha"),
    ("Enabled: on", "setdisabled", "enable alpha"),
    ("Restart", "restartClients", "restart alpha"),
    ("Upgrade", "upgradeClients", "upgrade alpha"),
    ("Remove", "removeClients", "remove alpha"),
    ("Description", "setClientDescription", "describe alpha text"),
    ("Availability rules", "setAvailabilityRules", "available alpha weekdays 18:00-08:00"),
    ("Note of a client", "addNote", "note --client alpha text"),
    ("Job history", "getJobHistory", "client alpha"),
    ("Errors of a client", "getClientErrors", "errors alpha"),
    # Groups, resources, notes, network folders (6.4)
    ("Create group", "createClientGroup", "group create new"),
    ("Add clients to a group", "addClientToGroup", "group add GPU alpha"),
    ("Remove clients from a group", "removeClientFromGroup", "group remove GPU alpha"),
    ("Remove group", "deleteClientGroup", "group delete GPU"),
    ("Manage Resources: Add, Save", "setResource", "resource set db 2"),
    ("Manage Resources: Delete", "deleteResource", "resource delete slots"),
    ("Add Note", "addNote", "note --general text"),
    ("Reply", "addNote", "note --thread 1 text"),
    ("View Full Thread", "getNoteThreads", "notes --thread 1"),
    ("Delete Selected", "removeNotes", "note --delete 1"),
    ("Delete All", "removeThreads", "note --delete --all"),
    ("Network folders: set", "setNetworkFolder", "folder set SHOTS --linux /shots"),
    ("Network folders: delete", "deleteNetworkFolder", "folder delete OLD"),
    ("Errors of the server", "getServerErrors", "errors"),
)
"""The button, the method that does its work, and the words after `hq`."""


@pytest.mark.parametrize(("button", "method", "words"), BUTTONS, ids=[button for button, *_ in BUTTONS])
def test_every_button_is_a_method_and_a_command(
    farm: Farm, client: TestClient, farm_hq: ServicesHq, button: str, method: str, words: str
) -> None:
    submit(farm, command="x")
    client.run_all(code=1)
    submit(farm, command="x")
    client.run_all(code=0)
    submit(farm, command="x")
    for preparation in ("group create GPU", "resource set slots 1", "folder set OLD --linux /old", "note 3 text"):
        assert farm_hq(*preparation.split()).code == 0
    farm_hq.transport.calls.clear()
    said = farm_hq(*words.split())
    assert said.code == 0, said
    assert farm_hq.transport.registry.find(method) is not None
    assert method in farm_hq.transport.calls
