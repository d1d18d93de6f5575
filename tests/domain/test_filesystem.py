"""What a folder lies on, read from what Linux says is mounted (PROMISES P1 and 4)."""

from __future__ import annotations

import pytest

from hqserver.domain.filesystem import Mount, mount_of

MOUNTED = r"""
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard
25 22 0:22 / /dev/shm rw,nosuid shared:3 - tmpfs tmpfs rw,size=1024k
40 22 0:41 / /srv/farm rw,relatime - nfs4 nas:/farm rw,vers=4.2
41 22 0:42 / /srv/old\040data rw,relatime shared:7 master:2 - xfs /dev/vdb rw,nobarrier
42 22 0:43 / /box rw - ext4 /dev/vdc rw
43 42 0:44 / /box rw - overlay overlay rw,lowerdir=/l,upperdir=/u
"""


def weakness(folder: str) -> str:
    found = mount_of(folder, MOUNTED)
    assert found is not None
    return found.weakness


@pytest.mark.parametrize("folder", ["/", "/srv", "/srv/farmer", "/home/ann/.local/share/hqserver", "/dev/shmem"])
def test_nothing_is_said_against_a_disk(folder: str) -> None:
    assert weakness(folder) == ""


@pytest.mark.parametrize(
    ("folder", "said"),
    [
        ("/dev/shm/farm", "in memory (tmpfs): nothing in it survives a reboot"),
        ("/srv/farm", "a network file system (nfs4)"),
        ("/srv/old data/hqserver", "without write barriers"),
        ("/box/hqserver", "a layer of a container (overlay)"),
    ],
)
def test_what_cannot_be_trusted_there_is_said(folder: str, said: str) -> None:
    assert said in weakness(folder)


def test_of_two_file_systems_at_one_place_the_later_counts() -> None:
    found = mount_of("/box/x", MOUNTED)
    assert found is not None
    assert (found.point, found.type) == ("/box", "overlay")


@pytest.mark.parametrize("text", ["", "garbage\n", "1 2 3 - x\n"])
def test_where_nothing_is_told_nothing_is_known(text: str) -> None:
    assert mount_of("/srv", text) is None


def test_a_barrier_that_is_on_is_no_weakness() -> None:
    assert Mount("/", "ext4", frozenset({"rw", "barrier=1"})).weakness == ""
