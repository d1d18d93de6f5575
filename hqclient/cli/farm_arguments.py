"""The commands of `hq` about the farm as a whole, and their options."""

from __future__ import annotations

import argparse

from hqserver.domain.resources import Counting

from . import events, folders, notes, resources, server
from .parsing import Section, job_id

_NOTE_USAGE = """\
hq note JOB TEXT...
       hq note --client CLIENT TEXT...
       hq note --general TEXT...
       hq note --thread THREAD TEXT...
       hq note --delete (NOTE... | --all)"""


def add_commands(section: Section) -> None:
    """Resources and folders, notes, and the server itself."""
    events.add_events(section)
    section.add("resources", resources.list_resources, "list licences and other counted resources")
    _add_resource_actions(section.add_actions("resource", "create, change or delete a resource"))
    section.add("folders", folders.list_folders, "list the network folders and their paths")
    _add_folder_actions(section.add_actions("folder", "register, change or forget a network folder"))
    _add_notes(section.add("notes", notes.show_notes, "show the newest note of each thread, or one whole thread"))
    _add_note(section.add("note", notes.note, "add a note to a job, a client, a thread or the farm; delete notes"))
    errors = section.add("errors", server.show_errors, "show the errors of the server, or of a client")
    errors.add_argument("client", metavar="CLIENT", nargs="?", help="HOST, or HOST:NAME")
    config = section.add("config", server.show_config, "print what the server's configuration file says for a key")
    config.add_argument("key", metavar="KEY")
    _add_call(section.add("call", server.call_method, "call any method of the server; the answer is JSON"))
    methods = section.add("methods", server.list_methods, "list the server's methods, or explain one")
    methods.add_argument("name", metavar="NAME", nargs="?", default="", help="a method, or a part of names")
    section.add("version", server.show_version, "print the versions of hq and of the server")


def _add_resource_actions(actions: Section) -> None:
    parser = actions.add("set", resources.set_resource, "create a resource, or change how much there is of it")
    parser.add_argument("resource", metavar="NAME")
    parser.add_argument("total", metavar="TOTAL", type=resources.total, help="how much there is, or 'unlimited'")
    counting = parser.add_mutually_exclusive_group()
    for option, counted, meaning in (
        ("--per-machine", Counting.MACHINE, "a machine takes one, however many of its jobs need it"),
        ("--per-job", Counting.JOB, "each job takes what it asks for (default for a new resource)"),
        ("--per-minute", Counting.RATE, "TOTAL is a rate: so much may be started in a minute"),
    ):
        counting.add_argument(option, dest="counted", action="store_const", const=str(counted), help=meaning)
    delete = actions.add("delete", resources.delete, "delete resources")
    delete.add_argument("resource", metavar="NAME", nargs="+")


def _add_folder_actions(actions: Section) -> None:
    parser = actions.add("set", folders.set_folder, "register a network folder, or change what the options name of it")
    parser.add_argument("folder", metavar="NAME", help="also the variable in which commands find its path")
    parser.add_argument("--linux", metavar="PATH", help="where Linux clients see it; '' = nowhere")
    parser.add_argument("--windows", metavar="PATH", help=r"\\host\share or P:\projects")
    parser.add_argument("--macos", metavar="PATH", help="where macOS clients see it")
    parser.add_argument("--host", metavar="HOST", help="who shares it")
    parser.add_argument("--main", action="store_true", help="make it the main folder, HQROOT")
    delete = actions.add("delete", folders.delete, "forget network folders")
    delete.add_argument("folder", metavar="NAME", nargs="+")


def _add_notes(parser: argparse.ArgumentParser) -> None:
    about = parser.add_mutually_exclusive_group()
    about.add_argument("job", metavar="JOB", type=job_id, nargs="?", help="all notes of this job")
    about.add_argument("--client", metavar="CLIENT", help="all notes of this client")
    about.add_argument("--thread", metavar="THREAD", type=job_id, help="all notes of this thread")


def _add_note(parser: argparse.ArgumentParser) -> None:
    parser.usage = _NOTE_USAGE
    parser.add_argument("words", metavar="JOB TEXT", nargs="*", help="what to note, and on which job")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--client", metavar="CLIENT", help="note it on this client")
    where.add_argument("--general", action="store_true", help="note it for the whole farm")
    where.add_argument("--thread", metavar="THREAD", type=job_id, help="reply in this thread")
    where.add_argument("--delete", action="store_true", help="delete the notes of these ids (hq notes shows them)")
    parser.add_argument("--all", action="store_true", help="with --delete: every note of the farm")


def _add_call(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("method", metavar="METHOD")
    parser.add_argument(
        "parameters",
        metavar="PARAMETER",
        nargs=argparse.REMAINDER,
        help="JSON: 17, true, null, '[1, 2]'; a word that is not JSON is a text",
    )
