# SPDX-License-Identifier: GPL-2.0-or-later
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from keepsane.machine.machine import Machine
from keepsane.machine.settings import Policy
from keepsane.netboot.boot import Boot
from keepsane.netboot.choice import Take, Wait, choose
from keepsane.netboot.history import History


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    with closing(History(tmp_path)) as history:
        yield history


def chosen(
    history: History, name: str = "box", policy: Policy = "wait", mark: str | None = None
) -> Take | Wait:
    return choose(history, Machine(name=name, policy=policy, mark=mark, console=mark and "/dev/ttyS0"))


def boot(build: str, offer: int | None, nonce: str = "1", address: str = "10.0.2.15") -> Boot:
    return Boot(nonce, "box", build, offer, "quiet", address, 100.0, None)


def test_a_machine_without_an_offer_waits(history: History) -> None:
    assert chosen(history) == Wait(None)


def test_a_build_boots_once(history: History) -> None:
    number = history.offer("box", "first")
    assert chosen(history) == Take("first", number)
    assert chosen(history) == Take("first", number), "asking changes nothing"
    assert chosen(history, "other") == Wait(None)
    history.booted(boot("first", number))
    assert chosen(history) == Wait(None)


def test_offered_again_it_boots_once_more(history: History) -> None:
    history.booted(boot("first", history.offer("box", "first")))
    again = history.offer("box", "first")
    assert chosen(history) == Take("first", again)


def test_a_machine_waits_for_the_build_that_has_begun(history: History) -> None:
    """An older build that was never booted would be the wrong one."""
    history.offer("box", "old")
    number = history.begin("box", "/linux")
    found = chosen(history)
    assert isinstance(found, Wait) and found.making is not None and found.making.state == "running"
    history.publish(number, "new")
    found = chosen(history)
    assert isinstance(found, Take) and found.build == "new"


def test_a_build_that_fails_leaves_it_waiting(history: History) -> None:
    history.call_good("box", "good")
    history.fail(history.begin("box", "/linux"), "widget.c:3: error: no")
    found = chosen(history)
    assert isinstance(found, Wait) and found.making is not None and "widget.c" in found.making.errors
    assert chosen(history, policy="last-good") == Take("good", None, "making 1")


def test_a_choice_of_the_menu_takes_no_offer(history: History) -> None:
    number = history.offer("box", "first")
    history.booted(boot("other", None))
    assert chosen(history) == Take("first", number)


def test_the_last_of_two_trees_wins(history: History) -> None:
    one, two = history.begin("box", "/one"), history.begin("box", "/two")
    history.publish(two, "of two")
    history.publish(one, "of one")
    found = chosen(history)
    assert isinstance(found, Take) and found.build == "of one"


def test_a_return_is_of_the_address_that_booted(history: History) -> None:
    history.booted(boot("first", 1))
    assert not history.came_back("box", "10.0.2.99")
    assert history.came_back("box", "10.0.2.15")
    assert not history.came_back("box", "10.0.2.15")
    assert history.boots("box")[0].back_seconds is not None


def test_news_of_another_process_is_noticed(history: History, tmp_path: Path) -> None:
    assert history.changed()
    assert not history.changed()
    with closing(History(tmp_path)) as other:
        other.offer("box", "first")
    assert history.changed()
    history.offer("box", "second")
    assert history.changed()


def test_the_usual_time_is_that_of_builds_that_ended_well(history: History) -> None:
    assert history.usual_seconds("/linux") is None
    history.fail(history.begin("box", "/linux"), "no")
    assert history.usual_seconds("/linux") is None
    history.publish(history.begin("box", "/linux"), "b")
    usual = history.usual_seconds("/linux")
    assert usual is not None and 0 <= usual < 10
