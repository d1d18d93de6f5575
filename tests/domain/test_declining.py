"""What is said of a client that takes no new work."""

import pytest

from hqserver.domain.declining import Declining, remedy, sentence


@pytest.mark.parametrize("why", Declining)
def test_each_reason_has_a_sentence_and_a_remedy_that_names_the_client(why: Declining) -> None:
    assert sentence(why).startswith("takes no new work")
    assert "alpha" in remedy(why, "alpha")


@pytest.mark.parametrize("word", ["", "asleep"])
def test_a_daemon_of_other_code_is_told_of_in_general(word: str) -> None:
    assert sentence(word) == "takes no new work (it is draining or its disk is nearly full)"
    assert remedy(word, "alpha") == "alpha takes work again when its disk has room, or its daemon is started anew"
