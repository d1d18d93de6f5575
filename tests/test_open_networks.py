"""Who may call without a login (CONTRACT 9.23): this machine, and the networks that the configuration names."""

from __future__ import annotations

from pathlib import Path

import pytest

from hqserver.app import CannotStart, refuse_open_address
from hqserver.config import load
from hqserver.domain.settings import SettingError
from hqserver.http.messages import Refusal
from hqserver.http.rules import OpenNetworks


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"])
def test_this_machine_is_always_let_in(peer: str) -> None:
    OpenNetworks().check(peer)


@pytest.mark.parametrize(
    "peer", ["10.1.0.1", "10.1.255.254", "::ffff:10.1.2.3", "192.168.7.9", "fd00::5", "fd00::5%eth0"]
)
def test_a_machine_of_a_named_network_is_let_in(peer: str) -> None:
    OpenNetworks(["10.1.0.0/16", "192.168.7.9", "fd00::/8"]).check(peer)


@pytest.mark.parametrize("peer", ["10.2.0.1", "192.168.7.8", "2001:db8::1", "", "somewhere"])
def test_any_other_machine_is_refused_by_name(peer: str) -> None:
    with pytest.raises(Refusal, match=f"^{peer} is in none of this server's hqserver.openNetworks") as refused:
        OpenNetworks(["10.1.0.0/16"]).check(peer)
    assert refused.value.status == 403


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.7.5", "farm.example"])
def test_an_address_for_others_needs_the_networks_that_may_call(host: str) -> None:
    with pytest.raises(CannotStart, match=r"hqserver\.openNetworks"):
        refuse_open_address(host, ())
    refuse_open_address(host, ("10.1.0.0/16",))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_the_machine_s_own_addresses_need_nothing(host: str) -> None:
    refuse_open_address(host, ())


def test_the_networks_are_read_from_the_configuration(tmp_path: Path) -> None:
    file = tmp_path / "hqserver.ini"
    file.write_text(
        "[main]\nhqserver.openNetworks = 10.1.0.0/16, 192.168.7.0/24,\nhqserver.hostNames = farm, farm.example\n"
    )
    config = load({}, {}, file)
    assert config.open_networks == ("10.1.0.0/16", "192.168.7.0/24")
    assert config.host_names == ("farm", "farm.example")


@pytest.mark.parametrize("text", ["10.1.0.1/16", "everybody", "10.1.0.0/33"])
def test_what_is_no_network_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(SettingError, match=r"hqserver\.openNetworks must be networks such as"):
        load({"hqserver.openNetworks": text}, {}, None)
