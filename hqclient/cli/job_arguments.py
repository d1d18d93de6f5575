"""The commands of `hq` about jobs that are on the farm, and their options."""

from __future__ import annotations

import argparse

from . import control, events, jobs, listing, permit, show, why
from .parsing import Section, count, job_id, positive, seconds


def add_commands(section: Section) -> None:
    """Looking at jobs, then telling them what to do."""
    listing.add_command(section)
    _one_job(section.add("show", show.show_job, "show everything about a job"))
    _one_job(section.add("why", why.why, "say why a job does not run, and what would change it"))
    _add_output(section.add("output", jobs.show_output, "print what a job's command has written"))
    events.add_runs(section)
    wait = section.add("wait", jobs.wait_for_jobs, "wait until jobs have ended; exit code 1 if one did not succeed")
    _several_jobs(wait)
    wait.add_argument("--timeout", metavar="SECONDS", type=seconds, help="give up after so long (exit code 124)")
    _several_jobs(section.add("cancel", control.cancel, "end jobs, and the jobs below them"))
    _several_jobs(section.add("pause", control.pause, "stop jobs where they stand, and the jobs below them"))
    _several_jobs(section.add("resume", control.resume, "let paused jobs go on, and the jobs below them"))
    retry = section.add(
        "retry", control.retry, "have jobs that have ended done again (also: reschedule)", aliases=["reschedule"]
    )
    _several_jobs(retry, "*")
    _all_failed(retry)
    _several_jobs(section.add("eject", control.eject, "take jobs off their clients, back to the queue"))
    delete = section.add("delete", control.delete, "remove jobs that have ended for good, with their output")
    _several_jobs(delete, "*")
    every = delete.add_mutually_exclusive_group()
    _all_failed(every)
    every.add_argument("--finished", action="store_true", help="every job that has ended, succeeded ones too")
    priority = section.add("priority", control.set_priority, "give jobs a priority, and the jobs below them")
    _several_jobs(priority)
    priority.add_argument("priority", metavar="N", type=count, help="higher goes first; 0 is the lowest")
    _add_permit(section.add("permit", permit.permit, "show which clients may run a job, or say which"))


def _one_job(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", metavar="JOB", type=job_id)


def _several_jobs(parser: argparse.ArgumentParser, how_many: str = "+") -> None:
    parser.add_argument("job", metavar="JOB", type=job_id, nargs=how_many)


def _all_failed(parser: argparse._ActionsContainer) -> None:
    parser.add_argument("--failed", action="store_true", help="every job that failed, was cancelled or abandoned")


def _add_output(parser: argparse.ArgumentParser) -> None:
    _one_job(parser)
    parser.add_argument("-f", "--follow", action="store_true", help="go on until the job has ended")
    parser.add_argument("--tail", metavar="CHARS", type=positive, help="only the last so many characters")
    parser.add_argument("--stderr", action="store_true", help="only stderr, of a job that keeps it apart")


def _add_permit(parser: argparse.ArgumentParser) -> None:
    _one_job(parser)
    parser.add_argument(
        "client",
        metavar="CLIENT",
        nargs="*",
        help="only these, in place of all the job's conditions: HOST is any client there, HOST:NAME that one, "
        "HOST: the one without a name",
    )
