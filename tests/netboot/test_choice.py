# SPDX-License-Identifier: GPL-2.0-or-later
"""What a machine gets, as the table in choice.py has it, and what holds in whatever order things happen."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from keepsane.machine.machine import Machine
from keepsane.machine.settings import Policy
from keepsane.netboot.boot import Boot
from keepsane.netboot.choice import Take, Wait, choose
from keepsane.netboot.history import MAX_TRIES, History

ADDRESS = "10.0.2.15"


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    with closing(History(tmp_path)) as history:
        yield history


def box(policy: Policy = "last-good", *, watched: bool = True) -> Machine:
    return Machine(
        name="box",
        policy=policy,
        mark="login:" if watched else None,
        console="/dev/ttyS0" if watched else None,
    )


def take(history: History, chosen: Take | Wait, nonce: str = "n") -> Boot:
    assert isinstance(chosen, Take)
    boot = Boot(nonce, "box", chosen.build, chosen.offer, "", ADDRESS, 1.0, cause=chosen.cause)
    history.booted(boot)
    return boot


def test_bytes_that_got_lost_are_sent_again_but_not_for_ever(history: History) -> None:
    offer = history.offer("box", "b")
    for number in range(MAX_TRIES):
        assert choose(history, box()) == Take("b", offer)
        take(history, choose(history, box()), f"n{number}")
        assert history.was_not_started(f"n{number}", ADDRESS, "timed out", lost_bytes=True)
    assert choose(history, box()) == Wait(None)


def test_a_clock_that_is_set_back_loses_no_build(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_796_000_000.0
    monkeypatch.setattr("time.time", lambda: now)
    number = history.begin("box", "/linux")
    now -= 3600
    history.publish(number, "b1")
    assert take(history, choose(history, box())).build == "b1"
    now -= 3600
    assert choose(history, box()) == Wait(history.last_making("box"))
    history.offer("box", "b1")
    assert isinstance(choose(history, box()), Take)
    now -= 3600
    history.begin("box", "/linux")
    assert choose(history, box()) == Wait(history.last_making("box"))


def test_a_kernel_that_was_refused_is_not_tried_again(history: History) -> None:
    history.offer("box", "b")
    take(history, choose(history, box("wait")))
    history.was_not_started("n", ADDRESS, "Secure Boot", lost_bytes=False)
    assert choose(history, box("wait")) == Wait(None)
    (boot,) = history.boots("box")
    assert (boot.outcome, boot.why) == ("refused", "Secure Boot")


@pytest.mark.parametrize("ends", ["failed", "killed"])
def test_a_build_that_fails_leads_to_the_good_kernel_once(
    history: History, monkeypatch: pytest.MonkeyPatch, ends: str
) -> None:
    history.call_good("box", "good")
    number = history.begin("box", "/linux")
    assert isinstance(choose(history, box()), Wait)
    if ends == "failed":
        history.fail(number, "no")
    else:
        monkeypatch.setattr("keepsane.netboot.history.is_gone", lambda maker: True)
    assert choose(history, box()) == Take("good", None, f"making {number}")
    take(history, choose(history, box()))
    assert isinstance(choose(history, box()), Wait), "and waits then"
    assert isinstance(choose(history, box("wait")), Wait)


def test_a_kernel_that_misses_its_mark_leads_to_the_good_one_once(history: History) -> None:
    history.call_good("box", "good")
    history.offer("box", "new")
    take(history, choose(history, box()), "first")
    history.judged("first", Path("/log"), "")
    assert isinstance(choose(history, box()), Wait), "it may still get there"
    history.came_back("box", ADDRESS)
    assert choose(history, box()) == Take("good", None, "boot first")
    take(history, choose(history, box()), "second")
    history.came_back("box", ADDRESS)
    assert isinstance(choose(history, box()), Wait)
    again = history.offer("box", "new")
    assert choose(history, box()) == Take("new", again)


@pytest.mark.parametrize("why", ["marked", "nobody watches", "no console", "it is the good one"])
def test_what_is_no_missed_mark_leads_nowhere(history: History, why: str) -> None:
    history.call_good("box", "new" if why == "it is the good one" else "good")
    history.offer("box", "new")
    machine = box(watched=why != "nobody watches")
    take(history, choose(history, machine))
    if why != "no console":
        history.judged("n", Path("/log"), "")
    if why == "marked":
        assert history.reached_mark("n")
    history.came_back("box", ADDRESS)
    assert isinstance(choose(history, machine), Wait)


class Asking(RuleBasedStateMachine):
    """A machine, its developer and iPXE do what they like; what one build may do is counted beside it."""

    @initialize()
    def begin(self) -> None:
        self.folder = TemporaryDirectory()
        self.history = History(Path(self.folder.name))
        self.offers: dict[int, int] = {}
        self.nonces = 0
        self.making: int | None = None
        self.good: str | None = None
        self.changed = 0

    def teardown(self) -> None:
        if hasattr(self, "history"):
            self.history.close()
            self.folder.cleanup()

    @rule(build=st.sampled_from(["a", "b"]))
    def publish(self, build: str) -> None:
        if self.making is None:
            self.offers[self.history.offer("box", build)] = 0
        else:
            self.history.publish(self.making, build)
            offer = self.history.last_offer("box")
            assert offer is not None
            self.offers[offer.number] = 0
            self.making = None

    @rule()
    def make(self) -> None:
        self.making = self.history.begin("box", "/linux")

    @rule()
    def fail(self) -> None:
        if self.making is not None:
            self.history.fail(self.making, "no")
            self.making = None

    @rule(build=st.sampled_from(["a", "b"]))
    def call_good(self, build: str) -> None:
        self.history.call_good("box", build)
        self.good = build

    @rule(policy=st.sampled_from(["wait", "last-good"]))
    def boot(self, policy: Policy) -> None:
        chosen = choose(self.history, box(policy))
        if isinstance(chosen, Take):
            self.nonces += 1
            take(self.history, chosen, str(self.nonces))
            if chosen.offer is not None:
                self.offers[chosen.offer] += 1
            else:
                assert policy == "last-good" and chosen.build == self.good and chosen.cause

    @rule(build=st.sampled_from(["a", "b"]))
    def choose_in_menu(self, build: str) -> None:
        before = choose(self.history, box()), self.history.good("box"), self.history.last_offer("box")
        self.nonces += 1
        self.history.booted(Boot(str(self.nonces), "box", build, None, "", ADDRESS, 1.0))
        assert before == (
            choose(self.history, box()),
            self.history.good("box"),
            self.history.last_offer("box"),
        )

    @rule(lost=st.none() | st.booleans())
    def ask_anew(self, lost: bool | None) -> None:
        last = next(iter(self.history.boots("box")), None)
        if last is not None and lost is not None:
            is_news = self.history.was_not_started(last.nonce, ADDRESS, "why", lost_bytes=lost)
            if is_news and lost and last.offer is not None:
                self.offers[last.offer] -= 1
        self.history.came_back("box", ADDRESS)

    @invariant()
    def a_build_boots_once(self) -> None:
        assert all(count <= 1 for count in getattr(self, "offers", {}).values())

    @invariant()
    def asking_changes_nothing(self) -> None:
        if hasattr(self, "history"):
            assert choose(self.history, box()) == choose(self.history, box())


TestAsking = Asking.TestCase
TestAsking.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
