"""The job specification: every property in its good, lenient and wrong forms (CONTRACT 2.1, 9.5, 9.6)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hqserver.domain import jobspec
from hqserver.domain.errors import BadSpecification, TooLarge
from hqserver.domain.failure import FailureAction, FailurePattern
from hqserver.domain.jobspec import PROPERTIES, JobSpec, command_for, parse_jobspec, walk


def parsed(document: Any, refuse_unknown: bool = False) -> JobSpec:
    (spec,) = parse_jobspec(document, refuse_unknown=refuse_unknown)
    return spec


def job(**properties: Any) -> JobSpec:
    return parsed({"name": "a job", **properties})


def refusal(document: Any, refuse_unknown: bool = False) -> str:
    with pytest.raises(BadSpecification) as found:
        parse_jobspec(document, refuse_unknown=refuse_unknown)
    return str(found.value)


# Forms of the whole ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "document", [{"name": "x"}, '{"name": "x"}', [{"name": "x"}], ({"name": "x"},), '[{"name":"x"}]']
)
def test_a_specification_is_a_dictionary_a_list_of_them_or_their_json(document: Any) -> None:
    assert parsed(document) == JobSpec("x", "")


@pytest.mark.parametrize("text", ["", "{", "name", '{"name": "x"', "[" * 100_000, '{"name": ' + "[" * 100_000])
def test_a_text_that_is_not_json_is_refused(text: str) -> None:
    sentence = refusal(text)
    assert (
        sentence.startswith("jobspec is text but not JSON: ") or sentence == "jobspec is JSON that is nested too deep"
    )


@pytest.mark.parametrize("document", [None, 5, 5.5, True, "5", '"name"', "null", [5], ["name"], [[]]])
def test_anything_but_dictionaries_is_refused(document: Any) -> None:
    assert "must be a dictionary" in refusal(document)


@pytest.mark.parametrize("document", [[], "[]", ()])
def test_an_empty_list_is_refused(document: Any) -> None:
    assert refusal(document) == "jobspec is an empty list"


def test_a_job_needs_a_name() -> None:
    assert refusal({}) == "jobspec has no 'name'"
    assert refusal([{"name": "x"}, {"command": "y"}]) == "[1] has no 'name'"
    assert refusal({"name": "x", "children": [{"name": "y", "children": [{}]}]}) == (
        "children[0].children[0] has no 'name'"
    )


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({"name": "x", "priority": "high"}, "priority"),
        ([{"name": "x", "priority": "high"}], "priority"),
        ([{"name": "x"}, {"name": "y", "priority": "high"}], "[1].priority"),
        ({"name": "x", "children": [{"name": "y"}] * 3 + [{"name": "z", "priority": "high"}]}, "children[3].priority"),
        (
            [
                {"name": "x"},
                {"name": "y", "children": [{"name": "z", "children": [{"name": "u", "priority": "high"}]}]},
            ],
            "[1].children[0].children[0].priority",
        ),
    ],
)
def test_the_sentence_names_the_place(document: Any, place: str) -> None:
    assert refusal(document) == f"{place} must be a whole number, not 'high'"


def test_a_long_value_is_shown_cut() -> None:
    found = refusal({"name": "x", "priority": "y" * 10_000})
    assert len(found) < 150
    assert found.endswith("...")


def test_nesting_ends_at_some_depth_with_a_sentence() -> None:
    document: dict[str, Any] = {"name": "x"}
    for _ in range(63):
        document = {"name": "x", "children": [document]}
    assert parsed(document).name == "x"
    assert "nested more than 64 deep" in refusal({"name": "x", "children": [document]})
    for _ in range(20_000):
        document = {"name": "x", "children": [document]}
    assert "nested more than 64 deep" in refusal(document)


def test_a_call_with_too_many_jobs_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    assert jobspec.MOST_JOBS_A_CALL == 100_000
    monkeypatch.setattr(jobspec, "MOST_JOBS_A_CALL", 100)
    nested = {"name": "x", "children": [{"name": "y"}] * 99}
    assert parse_jobspec(nested, refuse_unknown=False)
    with pytest.raises(TooLarge, match="more than 100 jobs"):
        parse_jobspec([nested, {"name": "z"}], refuse_unknown=False)


def test_ten_thousand_nested_children_are_normal() -> None:
    assert len(job(children=[{"name": "child"}] * 10_000).children) == 10_000


# Each property -----------------------------------------------------------------------------------------------------

HOOKS = ("onSuccess", "onError", "onCancel", "onChildError", "cleanup")

LIMITS = {
    "minTime": "min_time",
    "maxTime": "max_time",
    "maxSilence": "max_silence",
    "maxMemory": "max_memory",
    "lease": "lease",
}
"""Properties of which 0 asks for nothing, with their fields."""

PATTERNS = (FailurePattern("Fatal: .*", FailureAction.FATAL), FailurePattern("no lic", FailureAction.LICENCE))

GOOD: list[tuple[str, Any, str, Any]] = [
    *((key, 60, field, 60) for key, field in LIMITS.items()),
    *((key, "60", field, 60) for key, field in LIMITS.items()),
    *((key, "60 (One minute)", field, 60) for key, field in LIMITS.items()),
    *((key, 60.0, field, 60) for key, field in LIMITS.items()),
    *((key, value, field, 0) for key, field in LIMITS.items() for value in (0, "", " ", None)),
    ("maxTime", -1, "max_time", 0),  # CONTRACT 2.1: HQueue's own means unlimited below 0
    ("lease", 604_800, "lease", 604_800),
    ("maxMemory", 2**40, "max_memory", 2**40),
    ("maxConcurrent", "3", "max_concurrent", 3),
    *(("splitOutput", value, "split_output", True) for value in (True, 1, 1.0, "1", "true", " True ")),
    *(("splitOutput", value, "split_output", False) for value in (False, 0, 0.0, "0", "false", "", " ", None)),
    ("failurePatterns", {"Fatal: .*": "fatal", "no lic": "licence"}, "failure_patterns", PATTERNS),
    (
        "failurePatterns",
        [{"pattern": "Fatal: .*", "action": "FATAL"}, {"pattern": "no lic", "action": " license "}],
        "failure_patterns",
        PATTERNS,
    ),
    ("failurePatterns", {"x": "retry"}, "failure_patterns", (FailurePattern("x", FailureAction.RETRY),)),
    *(("failurePatterns", value, "failure_patterns", ()) for value in ({}, [], "", " ", None)),
    # How long a match may take is the runner's to bound (PROTOCOL.md, Limits), and the farm never matches one.
    ("failurePatterns", {"(a+)+$": "retry"}, "failure_patterns", (FailurePattern("(a+)+$", FailureAction.RETRY),)),
    (
        "failurePatterns",
        {"x" * 1000: "retry"},
        "failure_patterns",
        (FailurePattern("x" * 1000, FailureAction.RETRY),),
    ),
    ("name", "Wölfe über Bäumen 🐺", "name", "Wölfe über Bäumen 🐺"),
    ("name", " padded ", "name", " padded "),
    ("description", "two\nlines", "description", "two\nlines"),
    ("command", "echo hello", "command", "echo hello"),
    ("command", "", "command", ""),
    ("command", "  \n ", "command", ""),
    (
        "command",
        {"linux": "a", "windows": "b", "macosx": "c"},
        "command",
        {"linux": "a", "windows": "b", "macosx": "c"},
    ),
    ("command", {"macos": "c"}, "command", {"macosx": "c"}),
    ("command", {"linux": "a", "windows": " "}, "command", {"linux": "a"}),
    ("command", {}, "command", ""),
    ("command", {"linux": ""}, "command", ""),
    ("shell", "bash", "shell", "bash"),
    ("environment", {"A": "1", "B": ""}, "environment", {"A": "1", "B": ""}),
    ("environment", {"FRAMES": 5, "STEP": 0.5}, "environment", {"FRAMES": "5", "STEP": "0.5"}),
    ("children", "", "children", ()),
    ("children", None, "children", ()),
    ("children", {"name": "c"}, "children", (JobSpec("c", "children[0]"),)),
    ("children", ({"name": "c"},), "children", (JobSpec("c", "children[0]"),)),
    ("childrenIds", [1, "2", 3.0], "children_ids", (1, 2, 3)),
    ("childrenIds", "4, 5,,", "children_ids", (4, 5)),
    ("childrenIds", ["", " ", None, 6, 6], "children_ids", (6,)),
    ("childrenIds", 7, "children_ids", (7,)),
    ("childrenIds", "", "children_ids", ()),
    ("parentIds", ["8"], "parent_ids", (8,)),
    ("stubId", "render 1", "stub_id", "render 1"),
    ("stubId", 12, "stub_id", "12"),
    ("priority", 5, "priority", 5),
    ("priority", "5", "priority", 5),
    ("priority", "5 (Medium)", "priority", 5),
    ("priority", " +7 ", "priority", 7),
    ("priority", 3.0, "priority", 3),
    ("priority", 0, "priority", 0),
    ("priority", None, "priority", None),
    ("cpus", 0, "cpus", 0),
    ("cpus", "16", "cpus", 16),
    ("triesLeft", 2, "tries", 2),
    ("triesLeft", "2", "tries", 2),
    ("conditions", [], "conditions", ()),
    ("conditions", "", "conditions", ()),
    ("conditions", [""], "conditions", ()),
    ("tags", "single", "tags", ("single",)),
    ("tags", ["a", " b ", "a", ""], "tags", ("a", "b")),
    ("tags", " ", "tags", ()),
    ("resources", {"licence": "2", "none": 0}, "resources", {"licence": 2}),
    ("resources", "", "resources", {}),
    ("minHosts", "3", "min_hosts", 3),
    ("minHosts", "", "min_hosts", 1),
    ("minHosts", 2, "max_hosts", 2),
    ("maxHosts", 4, "max_hosts", 4),
    ("maxHosts", 0, "max_hosts", 1),
    *((hook, "echo $HQSTATUS", "hooks", {hook: "echo $HQSTATUS"}) for hook in HOOKS),
    *((hook, {"macos": "a", "windows": ""}, "hooks", {hook: {"macosx": "a"}}) for hook in HOOKS),
    *((hook, " ", "hooks", {}) for hook in HOOKS),
    ("emailReasons", "", "email_reasons", ()),
    ("submittedBy", "ada", "submitted_by", "ada"),
    ("progressPattern", r"(\d+)%", "progress_pattern", r"(\d+)%"),
    ("progressPattern", r"(\d+) of (\d+)", "progress_pattern", r"(\d+) of (\d+)"),
    ("progressPattern", "", "progress_pattern", ""),
    ("properties", {"show": "moon", "take": 3}, "properties", {"show": "moon", "take": "3"}),
    ("uuid", "u-1", "uuid", "u-1"),
    ("submitKey", "k-1", "submit_key", "k-1"),
]


@pytest.mark.parametrize(("key", "value", "field", "expected"), GOOD)
def test_a_property_is_read(key: str, value: Any, field: str, expected: Any) -> None:
    assert getattr(job(**{key: value}), field) == expected


@pytest.mark.parametrize("key", [key for key in PROPERTIES if key != "name"])
def test_none_counts_as_not_given(key: str) -> None:
    assert job(**{key: None}) == job()


BAD: list[tuple[str, Any, str]] = [
    ("name", None, "must not be blank"),
    ("maxConcurrent", -1, "must be from 0"),
    ("name", " ", "must not be blank"),
    ("name", True, "must be text"),
    ("name", "x" * 1001, "at most 1000 characters"),
    ("name", "a\0b", "must not hold a NUL character"),
    ("name", "\ud83d", "half of a surrogate pair"),
    ("description", ["x"], "must be text"),
    ("command", "echo \0", "must not hold a NUL character"),
    ("command", True, "must be text"),
    ("command", ["echo"], "must be text"),
    ("command", {"linux": "a", "beos": "b"}, "has the key 'beos' but may only have linux, windows, macosx"),
    ("command", {"linux": [5]}, "must be text"),
    ("command", {"linux": "\0"}, "must not hold a NUL character"),
    ("shell", True, "must be text"),
    ("shell", "ba\0sh", "must not hold a NUL character"),
    ("environment", "A=1", "must be a dictionary of texts"),
    ("environment", {"A=B": "1"}, "must not hold a variable named 'A=B'"),
    ("environment", {"": "1"}, "must not hold a variable named ''"),
    ("environment", {"A": "\0"}, "must not hold a NUL character"),
    ("environment", {"A\0": "1"}, "must not hold a NUL character"),
    ("environment", {"A": None}, "must be a dictionary of texts"),
    ("environment", {"A": True}, "must be a dictionary of texts"),
    ("environment", {5: "1"}, "must be a dictionary of texts"),
    ("children", 5, "must be a list of dictionaries"),
    ("children", "abc", "must be a list of dictionaries"),
    ("childrenIds", ["x"], "must be a list of job ids"),
    ("childrenIds", [0], "must be a list of job ids"),
    ("childrenIds", [-1], "must be a list of job ids"),
    ("childrenIds", [True], "must be a list of job ids"),
    ("childrenIds", [1.5], "must be a list of job ids"),
    ("childrenIds", {"1": 2}, "must be a list of job ids"),
    ("parentIds", "x", "must be a list of job ids"),
    ("stubId", "x" * 201, "must have at most 200 characters"),
    ("stubId", ["x"], "must be text"),
    ("childStubIds", 5, "must be a list of texts"),
    ("childStubIds", [["x"]], "must be a list of texts"),
    ("priority", "high", "must be a whole number"),
    ("priority", "5 or so", "must be a whole number"),
    ("priority", 1.5, "must be a whole number"),
    ("priority", float("inf"), "must be a whole number"),
    ("priority", float("nan"), "must be a whole number"),
    ("priority", True, "must be a whole number"),
    ("priority", [], "must be a whole number"),
    ("priority", -1, "must be from 0 to 2147483647"),
    ("priority", 2**31, "must be from 0 to 2147483647"),
    ("priority", "９", "must be a whole number"),
    ("cpus", -1, "must be from 0 to 100000"),
    ("cpus", "many", "must be a whole number"),
    ("triesLeft", -1, "must be from 0 to 1000000"),
    ("triesLeft", "x", "must be a whole number"),
    ("submittedBy", True, "must be text"),
    ("progressPattern", "(", "is not a regular expression"),
    ("progressPattern", "no group", "must have one group"),
    ("progressPattern", "(a)(b)(c)", "must have one group"),
    ("progressPattern", "(" + "x" * 1000 + ")", "is longer than 1000 characters"),
    ("progressPattern", r"(?i)([a-\uffff])" * 9, "has character ranges that span more than"),
    ("properties", ["x"], "must be a dictionary of texts"),
    ("properties", {"x": []}, "must be a dictionary of texts"),
    ("uuid", {"x": 1}, "must be text"),
    ("submitKey", "x" * 201, "must have at most 200 characters"),
    ("conditions", "hostname == a", "must be"),
    ("conditions", [{"type": "client", "name": "planet", "op": "==", "value": "mars"}], "planet"),
    ("host", 5, "must be"),
    ("hostgroup", 5, "must be"),
    ("tags", 5, "must be a list of texts"),
    ("resources", ["licence"], "must be a dictionary from resource names to amounts"),
    ("resources", {"licence": "many"}, "has an amount of 'licence' that must be a whole number"),
    ("resources", {" ": 1}, "' ' is no name"),
    ("minHosts", -1, "must be from 0 to 10000"),
    ("maxHosts", "all", "must be a whole number"),
    *((hook, True, "must be text") for hook in HOOKS),
    *((hook, {"beos": "x"}, "has the key 'beos'") for hook in HOOKS),
    ("emailTo", 5, "must be a list of texts"),
    ("emailTo", "nobody", "must be mail addresses ('nobody' is none)"),
    ("emailReasons", "hungry", "hungry"),
    *((key, "soon", "must be a whole number") for key in LIMITS),
    *((key, 1.5, "must be a whole number") for key in LIMITS),
    *((key, True, "must be a whole number") for key in LIMITS),
    *((key, [5], "must be a whole number") for key in LIMITS),
    *((key, value, "must be 0 or more") for key in LIMITS if key != "maxTime" for value in (-1, "-1", -(2**60))),
    ("lease", 604_801, "must be from 0 to 604800"),
    ("lease", 1e9, "must be from 0 to 604800"),
    ("maxMemory", 2**53 + 1, "must be from"),
    ("failurePatterns", 5, "must be a dictionary from patterns to actions, or a list of {pattern, action}"),
    ("failurePatterns", "error", "must be a dictionary from patterns to actions"),
    ("failurePatterns", ["error"], "must be a dictionary from patterns to actions"),
    ("failurePatterns", {"x": "fatl"}, "has the action 'fatl', which is none; did you mean 'fatal'?"),
    ("failurePatterns", {"x": "licnse"}, "did you mean 'licence'?"),
    ("failurePatterns", {"x": "explode"}, "has the action 'explode', which is none"),
    ("failurePatterns", {"x": None}, "has the action None, which is none"),
    ("failurePatterns", {"x": ["fatal"]}, "must be text"),
    ("failurePatterns", [{"pattern": "x"}], "has the action None, which is none"),
    ("failurePatterns", [{"action": "fatal"}], "must have patterns of 1 to 1000 characters"),
    ("failurePatterns", {"": "fatal"}, "must have patterns of 1 to 1000 characters"),
    ("failurePatterns", {"x" * 1001: "fatal"}, "must have patterns of 1 to 1000 characters"),
    ("failurePatterns", {"a\0b": "fatal"}, "must not hold a NUL character"),
    ("failurePatterns", {"(": "fatal"}, "has the pattern '(', which is not a regular expression: missing )"),
    ("failurePatterns", {"x{99999999999}": "fatal"}, "which is not a regular expression"),
    ("failurePatterns", {"(?<=a*)b": "fatal"}, "which is not a regular expression"),
    ("failurePatterns", {"(?i)" + r"[a-\uffff]" * 9: "fatal"}, "which has character ranges that span more than"),
    *(("splitOutput", value, "must be true or false") for value in (2, -1, "yes", [], {}, [True])),
    ("failurePatterns", {f"x{number}": "fatal" for number in range(51)}, "must have at most 50 patterns"),
]


@pytest.mark.parametrize(("key", "value", "sentence"), BAD)
def test_a_wrong_value_is_named_with_its_place(key: str, value: Any, sentence: str) -> None:
    found = refusal({"name": "p", "children": [{"name": "c"}, {"name": "c", key: value}]})
    assert found.startswith(f"children[1].{key} ")
    assert sentence in found


def test_every_property_is_tried_here() -> None:
    of_agendas = {"agenda", "chunk", "partitions", "order"}  # tests/domain/test_agenda.py
    tried = {key for key, *_ in GOOD} | {key for key, *_ in BAD} | of_agendas
    assert tried == set(PROPERTIES)


def test_every_property_of_the_contract_is_known() -> None:
    table = (
        "name description command shell environment children childrenIds priority conditions host cpus minHosts "
        "maxHosts tags resources triesLeft maxTime onSuccess onError onCancel onChildError submittedBy emailTo "
        "emailReasons hostgroup parentIds stubId childStubIds cleanup agenda chunk partitions order maxConcurrent "
        "lease progressPattern splitOutput minTime maxSilence maxMemory failurePatterns submitKey uuid properties"
    )
    assert set(PROPERTIES) == set(table.split())


@pytest.mark.parametrize("key", ["host", "hostgroup"])
def test_a_comma_list_of_hosts_or_groups_is_a_condition(key: str) -> None:
    """CONTRACT 1.6, 9.5."""
    name = {"host": "hostname", "hostgroup": "group"}[key]
    assert [str(each) for each in job(**{key: "a, b"}).conditions] == [
        str(each) for each in job(conditions=[{"type": "client", "name": name, "op": "in", "value": "a,b"}]).conditions
    ]
    for blank in ("", " ", []):
        assert job(**{key: blank}).conditions == ()


def test_a_job_never_gets_fewer_clients_at_most_than_at_least() -> None:
    assert refusal({"name": "x", "minHosts": 3, "maxHosts": 2}) == "maxHosts is 2, less than minHosts, which is 3"


def test_a_job_without_a_command_or_with_the_tag_for_it_weighs_nothing() -> None:
    """9.5, 9.19."""
    assert job().weightless and job(command="x", tags="excludeProgress").weightless
    assert not job(command="x").weightless


# Unknown properties ------------------------------------------------------------------------------------------------


def test_an_unknown_property_is_kept_where_the_farm_keeps_them() -> None:
    assert job(renderer={"name": "karma"}, proirity=5).unknown == {"renderer": {"name": "karma"}, "proirity": 5}


def test_an_unknown_property_is_refused_where_the_farm_refuses_them_and_the_near_match_named() -> None:
    document = {"name": "x", "children": [{"name": "y", "proirity": 5}]}
    assert refusal(document, refuse_unknown=True) == (
        "children[0].proirity: no such property of a job; did you mean 'priority'?"
    )
    assert refusal({"name": "x", "zzz": 5}, refuse_unknown=True) == "zzz: no such property of a job"


@pytest.mark.parametrize("key", [5, None, "\ud800"])
def test_a_property_whose_name_is_no_text_is_refused_anyway(key: Any) -> None:
    assert "no such property of a job" in refusal({"name": "x", key: 1})


# Submission keys ---------------------------------------------------------------------------------------------------


def test_one_call_is_one_submission_with_one_key() -> None:
    same = [{"name": "x", "submitKey": "k"}, {"name": "y", "submitKey": "k"}, {"name": "z"}]
    assert [spec.submit_key for spec in parse_jobspec(same, refuse_unknown=False)] == ["k", "k", ""]
    assert refusal([{"name": "x", "submitKey": "k"}, {"name": "y", "submitKey": "l"}]).startswith("[1].submitKey 'l'")
    nested = {"name": "x", "children": [{"name": "y", "submitKey": "k"}]}
    assert refusal(nested).startswith("children[0].submitKey belongs to the outermost specification")


# Stubs -------------------------------------------------------------------------------------------------------------


def stubs(**edges: str) -> list[dict[str, Any]]:
    """Specifications named by the keywords; each value lists the stubs of its children."""
    return [{"name": name, "stubId": name, "childStubIds": below} for name, below in edges.items()]


@pytest.mark.parametrize(
    "document",
    [
        stubs(a="b,c", b="d", c="d", d=""),
        stubs(d="", c="d", b="d", a="b, c"),
        [{"name": "a", "childStubIds": [1]}, {"name": "b", "stubId": 1}],
        [{"name": "a", "children": [{"name": "b", "stubId": "b"}]}, {"name": "c", "childStubIds": "b"}],
        [{"name": "a", "stubId": "x"}, {"name": "b", "stubId": "x"}],
    ],
    ids=["diamond", "diamond in any order", "numbers", "of a nested one", "names that nobody uses"],
)
def test_stubs_describe_a_dag(document: Any) -> None:
    assert parse_jobspec(document, refuse_unknown=True)


def test_a_long_chain_of_stubs_is_no_deep_recursion() -> None:
    count = 5_000
    chain = [{"name": "x", "stubId": str(n), "childStubIds": [str(n + 1)]} for n in range(count)]
    assert len(parse_jobspec([*chain, {"name": "x", "stubId": str(count)}], refuse_unknown=False)) == count + 1


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        (stubs(a="a"), "[0].stubId 'a' would be its own descendant"),
        (stubs(a="b", b="c", c="a"), "[0].stubId 'a' would be its own descendant"),
        (
            {"name": "p", "stubId": "p", "children": [{"name": "c", "childStubIds": "p"}]},
            "stubId 'p' would be its own descendant",
        ),
        (stubs(top="x", x="y", y="x"), "[1].stubId 'x' would be its own descendant"),
        (
            stubs(render="", movie="rendre"),
            "[1].childStubIds names 'rendre', which no stubId has; did you mean 'render'?",
        ),
        (
            [{"name": "a", "stubId": "s"}, {"name": "b", "stubId": "s"}, {"name": "c", "childStubIds": "s"}],
            "[1].stubId 's' names two specifications",
        ),
    ],
    ids=["itself", "a circle", "through nesting", "below the first", "unknown", "twice"],
)
def test_stubs_that_make_no_dag_are_refused(document: Any, sentence: str) -> None:
    if isinstance(document, list) and len(document) == 1:
        sentence = sentence.removeprefix("[0].")
    assert refusal(document) == sentence


# Order and platforms -----------------------------------------------------------------------------------------------


def test_the_specifications_come_first_in_order_and_then_what_is_nested_depth_first() -> None:
    document = [
        {"name": "a", "children": [{"name": "a1", "children": [{"name": "a11"}]}, {"name": "a2"}]},
        {"name": "b", "children": [{"name": "b1"}]},
    ]
    found = list(walk(parse_jobspec(document, refuse_unknown=True)))
    assert [spec.name for spec, _ in found] == ["a", "b", "a1", "a11", "a2", "b1"]
    assert [parent.name if parent else None for _, parent in found] == [None, None, "a", "a1", "a", "b"]
    assert found[3][0].place == "[0].children[0].children[0]"


def test_a_json_text_says_the_same_as_the_dictionary() -> None:
    document = {"name": "x", "priority": "5 (Medium)", "children": [{"name": "y", "environment": {"A": "1"}}]}
    assert parsed(json.dumps(document)) == parsed(document)


def test_a_platform_without_a_command_has_none() -> None:
    assert command_for("echo", "windows") == "echo"
    assert command_for({"linux": "a"}, "linux") == "a"
    assert command_for({"linux": "a"}, "windows") is None
