"""Which clients may run a job (CONTRACT 1.2 permitted clients, 2.4, 9.5)."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hqserver.domain.conditions import (
    ClientFacts,
    Condition,
    as_conditions,
    as_groups,
    as_hosts,
    groups_condition,
    hosts_condition,
    permitted,
)
from hqserver.domain.values import Wrong


def a_client(
    hostname: str = "alpha",
    name: str = "",
    *,
    platform: str = "linux-x86_64",
    cpus: int = 8,
    memory: int = 16_000_000,
    groups: tuple[str, ...] = (),
) -> ClientFacts:
    return ClientFacts(hostname, name, platform, cpus, memory, frozenset(groups))


def condition(name: str, op: str, value: Any) -> Condition:
    (found,) = as_conditions([{"type": "client", "name": name, "op": op, "value": value}])
    return found


def refusal(value: Any) -> str:
    with pytest.raises(Wrong) as found:
        as_conditions(value)
    return str(found.value)


GOOD = {"type": "client", "name": "hostname", "op": "==", "value": "alpha"}


# Whether they hold -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("op", "value", "holds"),
    [
        ("==", "alpha", True),
        ("==", "ALPHA", True),
        ("==", "beta", False),
        ("!=", "alpha", False),
        ("!=", "beta", True),
        ("in", "beta, alpha", True),
        ("in", "beta,gamma", False),
        ("in", ["beta", "alpha"], True),
        ("any", "beta,alpha", True),
        ("any", "beta", False),
        ("not_in", "beta,alpha", False),
        ("not_in", "beta,gamma", True),
    ],
)
@pytest.mark.parametrize("name", ["hostname", "hostname:name"])
@pytest.mark.parametrize("own_name", ["", "one"])
def test_hosts_compare_without_case_whatever_the_client_is_called_there(
    name: str, own_name: str, op: str, value: Any, holds: bool
) -> None:
    assert condition(name, op, value).holds(a_client("Alpha", own_name)) is holds


@pytest.mark.parametrize("name", ["hostname", "hostname:name"])
@pytest.mark.parametrize(
    ("wanted", "unnamed", "one", "two"),
    [
        ("alpha", True, True, True),
        ("alpha:one", False, True, False),
        ("Alpha:one", False, True, False),
        ("alpha:One", False, False, False),
        ("alpha:", True, False, False),
        ("alpha:three", False, False, False),
        ("beta:one", False, False, False),
    ],
)
def test_the_three_forms_of_a_client_choose_any_the_named_or_the_unnamed_one(
    name: str, wanted: str, unnamed: bool, one: bool, two: bool
) -> None:
    clients = [a_client("alpha", own) for own in ("", "one", "two")]
    assert [condition(name, "==", wanted).holds(client) for client in clients] == [unnamed, one, two]
    assert [condition(name, "!=", wanted).holds(client) for client in clients] == [not unnamed, not one, not two]
    assert [condition(name, "in", f"gamma,{wanted}").holds(client) for client in clients] == [unnamed, one, two]


def test_a_host_with_its_domain_is_another_host() -> None:
    assert not condition("hostname", "==", "alpha").holds(a_client("alpha.studio.example"))


@pytest.mark.parametrize(
    ("op", "value", "holds"),
    [
        ("==", "Big, fast", True),
        ("==", "Night shift", True),
        ("==", "night shift", False),
        ("==", "GPU", False),
        ("!=", "Night shift", False),
        ("!=", "GPU", True),
        ("in", "GPU,Night shift", True),
        ("in", "GPU,Day", False),
        ("not_in", "GPU,Night shift", False),
        ("not_in", "GPU,Day", True),
    ],
)
def test_a_client_in_several_groups_is_equal_to_each_of_them(op: str, value: str, holds: bool) -> None:
    client = a_client(groups=("Night shift", "Big, fast", "№ 3 (old)"))
    assert condition("group", op, value).holds(client) is holds


def test_a_client_in_no_group_passes_the_negative_conditions_only() -> None:
    assert [condition("group", op, "GPU").holds(a_client()) for op in ("==", "!=", "in", "not_in", "any")] == [
        False,
        True,
        False,
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("platform", "alike", "unlike"),
    [
        ("linux-x86_64", ["linux", "Linux"], ["windows", "macosx"]),
        ("windows-x86_64", ["windows", "Windows"], ["linux", "macos"]),
        ("macosx-arm64", ["macosx", "macos", "darwin", "macOS"], ["linux", "windows"]),
        ("darwin-x86_64", ["macosx", "macos", "darwin"], ["linux", "windows"]),
    ],
)
def test_condition_os_of_9_5_takes_every_name_of_a_system(platform: str, alike: list[str], unlike: list[str]) -> None:
    client = a_client(platform=platform)
    for value in alike:
        assert condition("os", "==", value).holds(client)
        assert not condition("os", "not_in", f"{value},{unlike[0]}").holds(client)
    for value in unlike:
        assert not condition("os", "==", value).holds(client)
        assert condition("os", "!=", value).holds(client)


@pytest.mark.parametrize(
    ("platform", "value", "holds"),
    [
        ("linux-x86_64", "linux-x86_64", True),
        ("linux-x86_64", "Linux-AMD64", True),
        ("linux-x86_64", "linux-arm64", False),
        ("linux-x86_64", "linux", True),
        ("linux-x86_64", "windows", False),
        ("macosx-arm64", "macos-aarch64", True),
        ("darwin-arm64", "macosx-arm64", True),
        ("freebsd-x86_64", "freebsd", True),
        ("linux", "linux", True),
        ("linux", "linux-x86_64", False),
    ],
)
def test_condition_platform_of_9_5_is_a_system_and_where_told_its_processor(
    platform: str, value: str, holds: bool
) -> None:
    assert condition("platform", "==", value).holds(a_client(platform=platform)) is holds
    assert condition("platform", "not_in", value).holds(a_client(platform=platform)) is not holds


@pytest.mark.parametrize("name", ["memory", "cpus"])
@pytest.mark.parametrize("value", [8, 8.0, "8", " 8.0 ", "+8", "0.8e1", "08"])
def test_the_numbers_of_9_5_compare_as_numbers_however_they_are_written(name: str, value: Any) -> None:
    below, equal, above = (a_client(cpus=number, memory=number) for number in (7, 8, 10))
    expected = {
        "==": (False, True, False),
        "!=": (True, False, True),
        "<": (True, False, False),
        "<=": (True, True, False),
        ">": (False, False, True),
        ">=": (False, True, True),
        "in": (False, True, False),
        "any": (False, True, False),
        "not_in": (True, False, True),
    }
    found = {op: tuple(condition(name, op, value).holds(client) for client in (below, equal, above)) for op in expected}
    assert found == expected


def test_numbers_may_stand_in_a_list_and_have_fractions() -> None:
    assert condition("cpus", "in", [4, "8"]).holds(a_client(cpus=8))
    assert condition("cpus", "in", "4,8").holds(a_client(cpus=4))
    assert not condition("cpus", "in", "4,8").holds(a_client(cpus=48))
    assert condition("cpus", ">", 7.5).holds(a_client(cpus=8))
    assert not condition("cpus", ">", 8.5).holds(a_client(cpus=8))


# What they look like -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "value", "shown"),
    [
        (("hostname", "in", "Alpha, beta"), "Alpha,beta", "hostname in Alpha, beta"),
        (("hostname", "any", "alpha"), "alpha", "hostname in alpha"),
        (("hostname:name", "not_in", "a:,b:One,,a:"), "a:,b:One", "hostname:name not in a:, b:One"),
        (("group", "==", "Big, fast"), "Big, fast", "group == Big, fast"),
        (("os", "!=", "macOS"), "macOS", "os != macOS"),
        (("memory", ">=", 16_000_000), "16000000", "memory >= 16000000"),
        (("memory", ">=", 16e6), "16000000", "memory >= 16000000"),
        (("cpus", "<", "7.50"), "7.50", "cpus < 7.50"),
    ],
)
def test_a_condition_comes_back_in_the_callers_words(sent: tuple[str, str, Any], value: str, shown: str) -> None:
    found = condition(*sent)
    assert found.as_dict() == {"type": "client", "name": sent[0], "op": sent[1], "value": value}
    assert str(found) == shown


def test_conditions_in_other_words_are_other_conditions_and_the_same_words_are_equal() -> None:
    assert condition("hostname", "==", "alpha") == Condition("hostname", "==", ("alpha",))
    assert len({condition("hostname", "==", word) for word in ("alpha", "Alpha", "alpha")}) == 2


def test_a_condition_can_be_copied_and_pickled() -> None:
    found = condition("memory", "in", "4,8")
    for twin in (copy.deepcopy(found), pickle.loads(pickle.dumps(found))):
        assert twin == found
        assert twin.holds(a_client(memory=8))


def test_the_label_of_a_client_has_its_name_where_it_has_one() -> None:
    assert a_client("Alpha").label == "Alpha"
    assert a_client("alpha", "one").label == "alpha:one"


WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters=","), min_size=1).map(str.strip)
HOSTS = st.from_regex(r"[A-Za-z0-9.-]{1,6}(:[A-Za-z0-9 ~]{0,4})?", fullmatch=True).map(str.strip)
NUMBERS = st.one_of(st.integers(-(2**31), 2**31), st.floats(allow_nan=False, allow_infinity=False))


@given(
    st.one_of(
        st.tuples(st.sampled_from(["hostname", "hostname:name"]), st.sampled_from(["==", "!="]), HOSTS),
        st.tuples(
            st.sampled_from(["hostname", "hostname:name"]),
            st.sampled_from(["in", "not_in", "any"]),
            st.lists(HOSTS, min_size=1),
        ),
        st.tuples(st.just("group"), st.sampled_from(["==", "!="]), WORDS.filter(bool)),
        st.tuples(st.just("group"), st.sampled_from(["in", "not_in"]), st.lists(WORDS.filter(bool), min_size=1)),
        st.tuples(st.sampled_from(["memory", "cpus"]), st.sampled_from(["<", "<=", ">", ">=", "=="]), NUMBERS),
    )
)
def test_whatever_is_accepted_comes_back_equal_from_its_dictionary(sent: tuple[str, str, Any]) -> None:
    found = condition(*sent)
    assert as_conditions([found.as_dict()]) == (found,)
    assert as_conditions(json.dumps([found.as_dict()])) == (found,)


@given(
    st.lists(HOSTS, min_size=1, max_size=4),
    st.sampled_from(["Alpha", "b"]),
    st.sampled_from(["", "one", "One"]),
)
def test_in_holds_where_one_of_its_words_would_and_not_in_where_none_would(
    hosts: list[str], hostname: str, name: str
) -> None:
    hosts = [*hosts, "alpha:one"]
    client = a_client(hostname, name)
    expected = any(condition("hostname", "==", host).holds(client) for host in hosts)
    assert condition("hostname", "in", hosts).holds(client) is expected
    assert condition("hostname", "not_in", hosts).holds(client) is not expected


# Reading a specification -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        [GOOD],
        (GOOD,),
        GOOD,
        json.dumps(GOOD),
        json.dumps([GOOD]),
        [json.dumps(GOOD)],
        [None, "", " ", {}, GOOD],
        [{**GOOD, "type": "CLIENT"}],
        [{**GOOD, "type": ""}],
        [{key: word for key, word in GOOD.items() if key != "type"}],
        [{**GOOD, "name": " hostname ", "op": "== "}],
        [{**GOOD, "value": ["alpha"]}],
    ],
)
def test_conditions_are_dictionaries_or_their_json_in_a_list_or_alone(value: Any) -> None:
    assert as_conditions(value) == (Condition("hostname", "==", ("alpha",)),)


@pytest.mark.parametrize("value", [None, "", "  ", [], (), "[]", "null", [""], [None, {}]])
def test_nothing_and_blank_entries_are_no_condition(value: Any) -> None:
    assert as_conditions(value) == ()


def test_several_conditions_keep_their_order() -> None:
    found = as_conditions([GOOD, json.dumps({**GOOD, "op": "!=", "value": "beta"})])
    assert [str(each) for each in found] == ["hostname == alpha", "hostname != beta"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"name": "hostnme"}, "no condition is named 'hostnme'; did you mean 'hostname'?"),
        ({"name": "shoe size"}, "no condition is named 'shoe size'"),
        ({"name": ""}, "no condition is named ''"),
        ({"name": {}}, "name must be text"),
        ({"name": None}, "has no 'name'"),
        ({"op": None}, "has no 'op'"),
        ({"value": None}, "has no 'value'"),
        ({"value": " "}, "has no value"),
        ({"value": []}, "has no value"),
        ({"op": "in", "value": " , "}, "has no value"),
        ({"value": True}, "value must be text"),
        ({"value": {"a": 1}}, "value must be text"),
        ({"value": ["a", ["b"]]}, "value must be text"),
        ({"value": "a\0"}, "value must not hold a NUL character"),
        ({"op": "="}, "op of hostname must be one of == != in not_in any, not '='; did you mean '=='?"),
        ({"op": "notin"}, "op of hostname must be one of == != in not_in any, not 'notin'; did you mean 'not_in'?"),
        ({"op": "<"}, "op of hostname must be one of == != in not_in any, not '<'"),
        ({"value": "a,b"}, "value of '==' must be a single one, not 'a,b'; did you mean 'in'?"),
        ({"op": "!=", "value": ["a", "b"]}, "value of '!=' must be a single one, not 'a,b'; did you mean 'not_in'?"),
        ({"name": "cpus", "op": "<", "value": "4,8"}, "value of '<' must be a single one, not '4,8'"),
        ({"type": "server"}, "type must be 'client', not 'server'"),
        ({"type": 5}, "type must be 'client', not 5"),
        ({"values": "a"}, "a condition has no 'values'; did you mean 'value'?"),
        ({"value": ":one"}, "value must name clients as hostname, hostname:name or hostname: (':one' is not)"),
        ({"value": "my host"}, "value must name clients as hostname, hostname:name or hostname: ('my host' is not)"),
        (
            {"name": "os", "value": "linus"},
            "value must be one of linux, windows, macosx ('linus' is not); did you mean 'linux'?",
        ),
        (
            {"name": "os", "value": "linux-x86_64"},
            "value must be one of linux, windows, macosx ('linux-x86_64' is not)",
        ),
    ],
)
def test_a_wrong_condition_is_refused_with_its_entry_and_the_near_match(changes: dict[str, Any], sentence: str) -> None:
    assert refusal([GOOD, {**GOOD, **changes}]) == f"entry 2: {sentence}"


@pytest.mark.parametrize("value", ["many", "16 GB", "0x10", "1_000", "nan", "inf", "1e999", "٣", "", "-", "1e", "."])
def test_what_is_no_number_is_refused_for_memory_and_cpus(value: str) -> None:
    sentence = refusal([{**GOOD, "name": "memory", "op": ">=", "value": value}])
    assert sentence == "entry 1: " + (f"value must be a number ({value!r} is not)" if value else "has no value")


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_a_double_without_a_value_is_no_number(value: float) -> None:
    assert "must be a number" in refusal([{**GOOD, "name": "cpus", "op": "<", "value": value}])


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (5, "must be a list of dictionaries"),
        ("5", "must be a list of dictionaries"),
        ("hostname == alpha", "must be a dictionary or its JSON text ('hostname == alpha' is not)"),
        ("[" * 100_000, "must be a dictionary or its JSON text ('[[[[[[[[[[[[...[[[[[[[[[[[[[' is not)"),
        ([5], "entry 1: must be a dictionary (5 is not)"),
        ([0], "entry 1: must be a dictionary (0 is not)"),
        (["{"], "entry 1: must be a dictionary or its JSON text ('{' is not)"),
        ([GOOD, "[]"], "entry 2: must be a dictionary ([] is not)"),
    ],
)
def test_what_is_no_dictionary_is_refused(value: Any, sentence: str) -> None:
    assert refusal(value) == sentence


def test_a_condition_cannot_be_made_of_words_that_would_come_back_as_others() -> None:
    with pytest.raises(Wrong, match="without a comma"):
        Condition("group", "in", ("Big, fast", "GPU"))
    with pytest.raises(Wrong, match="has no value"):
        Condition("group", "in", ())


# Shorthands and permitted clients ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "hosts", "shown"),
    [
        ("alpha", ("alpha",), "hostname == alpha"),
        ("alpha, beta,,alpha", ("alpha", "beta"), "hostname in alpha, beta"),
        (["alpha", " beta:one", "", "gamma:"], ("alpha", "beta:one", "gamma:"), "hostname:name in alpha, beta:one, "),
        (["alpha,beta"], ("alpha", "beta"), "hostname in alpha, beta"),
        (("alpha:",), ("alpha:",), "hostname:name == alpha:"),
    ],
)
def test_host_of_1_6_is_a_comma_list_or_a_list_of_clients(value: Any, hosts: tuple[str, ...], shown: str) -> None:
    assert as_hosts(value) == hosts
    assert str(hosts_condition(hosts)).startswith(shown)


@pytest.mark.parametrize(
    ("value", "groups", "shown"),
    [
        ("GPU", ("GPU",), "group == GPU"),
        ("Night shift, № 3 (old): a;b", ("Night shift", "№ 3 (old): a;b"), "group in Night shift, № 3 (old): a;b"),
        (["GPU", " ", "GPU"], ("GPU",), "group == GPU"),
    ],
)
def test_hostgroup_of_1_6_is_a_comma_list_or_a_list_of_names(value: Any, groups: tuple[str, ...], shown: str) -> None:
    assert as_groups(value) == groups
    assert str(groups_condition(groups)) == shown


@pytest.mark.parametrize("read", [as_hosts, as_groups])
@pytest.mark.parametrize("value", ["", " , ", [], ["", " "]])
def test_a_blank_host_or_hostgroup_asks_for_nothing(read: Any, value: Any) -> None:
    assert read(value) == ()


@pytest.mark.parametrize("read", [as_hosts, as_groups])
@pytest.mark.parametrize("value", [5, {"a": 1}, [["alpha"]], ["a\0"]])
def test_a_host_or_hostgroup_that_is_no_list_of_texts_is_refused(read: Any, value: Any) -> None:
    with pytest.raises(Wrong, match=r"^must "):
        read(value)


@pytest.mark.parametrize("value", ["alpha beta", ":one", ":", ["alpha", "a b:c"]])
def test_a_host_that_names_no_client_is_refused(value: Any) -> None:
    with pytest.raises(Wrong, match="must name clients as hostname, hostname:name or hostname:"):
        as_hosts(value)


def test_permitted_clients_take_the_three_forms_of_1_2() -> None:
    found = permitted(["alpha", " Beta:one ", "gamma:", "alpha"])
    assert found.as_dict()["value"] == "alpha,Beta:one,gamma:"
    clients = [
        a_client("alpha"),
        a_client("alpha", "two"),
        a_client("beta", "one"),
        a_client("beta"),
        a_client("gamma"),
        a_client("gamma", "one"),
        a_client("delta"),
    ]
    assert [found.holds(client) for client in clients] == [True, True, True, False, True, False, False]


@given(st.sampled_from(["Alpha", "beta.example"]), st.sampled_from(["", "one", "my own"]))
def test_permitting_the_label_of_a_client_permits_it(hostname: str, name: str) -> None:
    assert permitted([a_client(hostname, name).label]).holds(a_client(hostname, name))


@pytest.mark.parametrize(
    "entries", [[], "alpha", ["alpha", ""], [" "], ["a,b"], [":one"], ["alpha", True], ["a\0"], None]
)
def test_a_permitted_client_that_is_none_is_refused(entries: Any) -> None:
    with pytest.raises(Wrong, match=r"^must "):
        permitted(entries)
