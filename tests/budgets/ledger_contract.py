"""The rules of the `Ledger` protocol, written once: every implementation runs them by subclassing `LedgerContract`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from budgets.errors import (
    ApprovalNeededError,
    BudgetExhaustedError,
    FrozenError,
    IdempotencyKeyReusedError,
    InvalidTransitionError,
    OwnProposalError,
    RequestInProgressError,
    UnknownAccountError,
    UnknownProposalError,
)
from budgets.ledger import (
    GENESIS_HASH,
    UNLIMITED,
    Account,
    Balance,
    Claim,
    Head,
    Ledger,
    Outcome,
    Recovery,
    StoredRelease,
)
from budgets.pace import Spending
from budgets.privacy_loss import ZERO, PrivacyLoss
from budgets.proposals import APPROVED, Proposal, cap_change, unfreezing
from tests.budgets.ledger_samples import (
    ADA,
    BEN,
    DATASET,
    DATASET_CAP,
    LEASE_SECONDS,
    OFFICER,
    PERSON_CAP,
    SECOND_OFFICER,
    Clock,
    another_request,
    answer,
    claim_of,
    open_accounts,
    outcome_of,
    raise_cap,
    release_of,
)


def amounts(balance: Balance) -> tuple[int, int]:
    """What is spent and what is reserved, in nano-rho."""
    return balance.spent.rho_nano, balance.reserved.rho_nano


class LedgerContract:
    """Subclasses give the fixture `empty`: a new ledger that runs on the fixture `clock`."""

    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def ledger(self, empty: Ledger) -> Ledger:
        open_accounts(empty)
        return empty

    # Accounts and caps

    def test_a_new_ledger_has_no_entry_and_no_account(self, empty: Ledger) -> None:
        assert empty.head() == Head(0, GENESIS_HASH)
        assert empty.accounts() == ()
        assert empty.recover() == Recovery(0, 0)

    def test_a_new_account_has_spent_nothing(self, ledger: Ledger) -> None:
        assert ledger.balance(ADA.id) == Balance(ADA, PERSON_CAP, ZERO, ZERO)
        assert [balance.account.id for balance in ledger.accounts("shop")] == [DATASET.id, ADA.id, BEN.id]
        assert ledger.accounts("other") == ()

    def test_opening_the_same_account_again_changes_nothing_and_keeps_its_cap(self, ledger: Ledger) -> None:
        before = ledger.head()
        ledger.open_account(ADA, PrivacyLoss(1), OFFICER, "again")
        assert ledger.head() == before
        assert ledger.balance(ADA.id).cap == PERSON_CAP

    def test_opening_another_account_under_a_taken_id_is_refused(self, ledger: Ledger) -> None:
        with pytest.raises(InvalidTransitionError):
            ledger.open_account(replace(ADA, owner="eve"), PERSON_CAP, OFFICER, "mine now")

    def test_an_account_needs_its_parent(self, ledger: Ledger) -> None:
        with pytest.raises(UnknownAccountError):
            ledger.open_account(Account("x", "shop", "person", "nobody", "x"), PERSON_CAP, OFFICER, "")

    def test_an_account_lives_in_its_parents_dataset(self, ledger: Ledger) -> None:
        with pytest.raises(InvalidTransitionError):
            ledger.open_account(Account("x", "bank", "person", DATASET.id, "x"), PERSON_CAP, OFFICER, "")

    def test_an_unknown_account_is_named(self, ledger: Ledger) -> None:
        with pytest.raises(UnknownAccountError) as raised:
            ledger.balance("nobody")
        assert raised.value.account_id == "nobody"
        with pytest.raises(UnknownAccountError):
            ledger.set_cap("nobody", ZERO, OFFICER, "")
        with pytest.raises(UnknownAccountError):
            ledger.reserve(replace(claim_of("a"), account_id="nobody"))

    def test_a_lowered_cap_admits_nothing_more_and_takes_nothing_back(self, ledger: Ledger) -> None:
        answer(ledger, "a", 500)
        lowered = ledger.set_cap(ADA.id, PrivacyLoss(400, 800), OFFICER, "careful")
        assert lowered == ledger.balance(ADA.id)
        assert amounts(lowered) == (500, 0)
        assert lowered.remaining == PrivacyLoss(0, 800)
        for loss in (PrivacyLoss(1), PrivacyLoss(0, 1), ZERO):
            with pytest.raises(BudgetExhaustedError):
                ledger.reserve(replace(claim_of("b"), loss=loss))

    def test_a_raised_cap_admits_more(self, ledger: Ledger) -> None:
        raise_cap(ledger, ADA, PrivacyLoss(900))
        answer(ledger, "a", 900)
        assert amounts(ledger.balance(ADA.id)) == (900, 0)

    # The filter

    def test_a_claim_counts_on_every_account_of_its_path_from_reserve_on(self, ledger: Ledger) -> None:
        reservation = ledger.reserve(claim_of("a", 300, 7))
        assert (reservation.id, reservation.claim, reservation.state) == ("q_a", claim_of("a", 300, 7), "reserved")
        for account in (ADA, DATASET):
            assert ledger.balance(account.id).reserved == PrivacyLoss(300, 7)
        assert ledger.balance(BEN.id).reserved == ZERO

    def test_the_last_unit_of_a_budget_can_be_spent_and_not_one_more(self, ledger: Ledger) -> None:
        ledger.reserve(claim_of("a", 800))
        with pytest.raises(BudgetExhaustedError) as raised:
            ledger.reserve(claim_of("b", 1))
        assert raised.value.account_id == ADA.id

    def test_delta_is_a_budget_of_its_own(self, ledger: Ledger) -> None:
        ledger.reserve(claim_of("a", 0, 800))
        with pytest.raises(BudgetExhaustedError):
            ledger.reserve(claim_of("b", 0, 1))
        ledger.reserve(claim_of("c", 800, 0))

    def test_the_parent_holds_where_the_children_over_allocate(self, ledger: Ledger) -> None:
        ledger.reserve(claim_of("a", 800))
        with pytest.raises(BudgetExhaustedError) as raised:
            ledger.reserve(claim_of("b", 201, account=BEN))
        assert raised.value.account_id == DATASET.id
        assert ledger.balance(BEN.id).reserved == ZERO
        ledger.reserve(claim_of("c", 200, account=BEN))

    def test_the_largest_claim_is_refused_as_any_other(self, ledger: Ledger) -> None:
        ledger.reserve(claim_of("a", 1))
        with pytest.raises(BudgetExhaustedError):
            ledger.reserve(claim_of("b", 2**62))

    # Windows and blocks

    def test_a_window_limits_how_fast_the_lifetime_is_used_up(self, ledger: Ledger, clock: Clock) -> None:
        ledger.set_cap(ADA.id, PrivacyLoss(100, 100), OFFICER, "a month at a time", meter="month")
        ledger.reserve(claim_of("a", 60))
        with pytest.raises(BudgetExhaustedError) as raised:
            ledger.reserve(claim_of("b", 41))
        assert (raised.value.account_id, raised.value.meter) == (ADA.id, "month:2026-11")
        ledger.reserve(claim_of("c", 500, account=BEN))
        clock.forward(8 * 24 * 3600)
        ledger.reserve(claim_of("d", 100))
        assert ledger.balance(ADA.id).reserved == PrivacyLoss(160)
        assert [(each.meter, amounts(each)) for each in ledger.meters(ADA.id)] == [
            ("lifetime", (0, 160)),
            ("month:2026-12", (0, 100)),
        ]

    def test_a_window_starts_empty_and_is_shown_before_it_is_used(self, ledger: Ledger) -> None:
        ledger.set_cap(ADA.id, PrivacyLoss(100), OFFICER, "slowly", meter="week")
        assert [(each.meter, each.cap, each.spent) for each in ledger.meters(ADA.id)][1:] == [
            ("week:2026-W48", PrivacyLoss(100), ZERO)
        ]

    def test_a_reservation_stays_in_the_window_that_it_was_made_in(self, ledger: Ledger, clock: Clock) -> None:
        ledger.set_cap(ADA.id, PrivacyLoss(100), OFFICER, "slowly", meter="day")
        ledger.reserve(claim_of("a", 70))
        clock.forward(24 * 3600)
        ledger.begin("q_a")
        assert amounts(ledger.meters(ADA.id)[1]) == (0, 0)
        ledger.reserve(claim_of("b", 100))

    def test_a_clock_that_goes_back_opens_no_window_again(self, ledger: Ledger, clock: Clock) -> None:
        ledger.set_cap(ADA.id, PrivacyLoss(100), OFFICER, "slowly", meter="day")
        clock.forward(24 * 3600)
        ledger.reserve(claim_of("a", 90))
        clock.forward(-24 * 3600)
        with pytest.raises(BudgetExhaustedError):
            ledger.reserve(claim_of("b", 90))

    def test_the_limit_of_windows_counts_from_the_moment_it_is_set(self, ledger: Ledger) -> None:
        ledger.set_cap(ADA.id, PrivacyLoss(100), OFFICER, "slowly", meter="day")
        ledger.reserve(claim_of("a", 50))
        ledger.set_cap(ADA.id, PrivacyLoss(60), OFFICER, "slower", meter="day")
        with pytest.raises(BudgetExhaustedError):
            ledger.reserve(claim_of("b", 11))
        ledger.reserve(claim_of("c", 10))

    def test_each_block_has_a_budget_of_its_own(self, ledger: Ledger) -> None:
        shop = Account("monthly", "monthly", "dataset", None, None)
        limits = {"block": PrivacyLoss(100), "static": PrivacyLoss(500)}
        ledger.open_account(shop, UNLIMITED, OFFICER, "blocks", limits)

        def claim(name: str, rho_nano: int, **meters: int) -> Claim:
            named = {each.replace("_", ":", 1).replace("_", "-"): PrivacyLoss(loss) for each, loss in meters.items()}
            return replace(claim_of(name, rho_nano, account=shop), principal="ada", meters=named)

        ledger.reserve(claim("a", 60, block_2026_10=60, block_2026_11=60, static=240, lifetime=240))
        with pytest.raises(BudgetExhaustedError) as raised:
            ledger.reserve(claim("b", 50, block_2026_11=50, block_2026_12=50))
        assert raised.value.meter == "block:2026-11"
        ledger.reserve(claim("c", 90, block_2026_12=90))
        ledger.begin("q_c")
        assert {each.meter: amounts(each) for each in ledger.meters("monthly")} == {
            "lifetime": (90, 240),
            "block": (0, 0),
            "static": (0, 240),
            "block:2026-10": (0, 60),
            "block:2026-11": (0, 60),
            "block:2026-12": (90, 0),
        }

    def test_a_meter_that_nobody_allowed_has_no_budget(self, ledger: Ledger) -> None:
        with pytest.raises(BudgetExhaustedError) as raised:
            ledger.reserve(replace(claim_of("a", 1), meters={"block:2026-11": PrivacyLoss(1)}))
        assert raised.value.meter == "block:2026-11"

    def test_what_was_spent_at_an_earlier_time_is_known(self, ledger: Ledger, clock: Clock) -> None:
        early = "2026-11-23T08:00:00.000000Z"
        assert ledger.spending(ADA.id, early) == Spending(ZERO, None)
        clock.forward(60)
        answer(ledger, "a", 300)
        clock.forward(60)
        answer(ledger, "b", 20)
        ledger.reserve(claim_of("c", 50))
        first = "2026-11-23T08:01:00.000000Z"
        for account in (ADA, DATASET):
            assert ledger.spending(account.id, early) == Spending(ZERO, first)
            assert ledger.spending(account.id, first) == Spending(PrivacyLoss(300), first)
            assert ledger.spending(account.id, "2026-11-24") == Spending(PrivacyLoss(320), first)
        assert ledger.spending(BEN.id, "2026-11-24") == Spending(ZERO, None)

    # Governance

    def test_more_than_before_needs_two_people(self, ledger: Ledger) -> None:
        before = ledger.head()
        for meter in ("lifetime", "month"):
            if meter == "month":
                ledger.set_cap(ADA.id, PrivacyLoss(5), OFFICER, "less", meter="month")
                before = ledger.head()
            for proposal_id in (None, "p_nothing"):
                with pytest.raises(ApprovalNeededError):
                    ledger.set_cap(ADA.id, PrivacyLoss(801, 1), OFFICER, "", meter=meter, proposal_id=proposal_id)
            assert ledger.head() == before

    def test_the_second_approval_makes_the_change(self, ledger: Ledger) -> None:
        made = cap_change(ADA.id, "lifetime", PrivacyLoss(900, 900))
        proposal = Proposal("p", "shop", made, OFFICER, "launch", decisions=((APPROVED, OFFICER),))
        assert ledger.propose(proposal).state == "waiting"
        assert ledger.balance(ADA.id).cap == PERSON_CAP
        with pytest.raises(OwnProposalError):
            ledger.decide("p", APPROVED, OFFICER, "me again")
        found = ledger.decide("p", APPROVED, SECOND_OFFICER, "agreed")
        assert found.state == "made"
        assert found.decisions == ((APPROVED, OFFICER), (APPROVED, SECOND_OFFICER), ("made", SECOND_OFFICER))
        assert [(each.decision, each.actor, each.reason) for each in ledger.decisions("p")] == [
            (APPROVED, OFFICER, "launch"),
            (APPROVED, SECOND_OFFICER, "agreed"),
            ("made", SECOND_OFFICER, "launch"),
        ]
        assert ledger.balance(ADA.id).cap == PrivacyLoss(900, 900)
        with pytest.raises(InvalidTransitionError):
            ledger.decide("p", APPROVED, "third-officer", "too late")
        with pytest.raises(ApprovalNeededError):
            ledger.set_cap(BEN.id, PrivacyLoss(900, 900), OFFICER, "", proposal_id="p")

    def test_a_change_that_is_no_more_than_before_by_the_time_of_its_approval_is_made_too(self, ledger: Ledger) -> None:
        less = cap_change(ADA.id, "lifetime", PrivacyLoss(700, 700))
        ledger.propose(Proposal("p", "shop", less, OFFICER, "careful", decisions=((APPROVED, OFFICER),)))
        assert ledger.decide("p", APPROVED, SECOND_OFFICER, "agreed").state == "made"
        assert ledger.balance(ADA.id).cap == PrivacyLoss(700, 700)

    def test_an_approval_is_for_one_change_once(self, ledger: Ledger) -> None:
        raise_cap(ledger, ADA, PrivacyLoss(900, 900))
        ledger.set_cap(ADA.id, PrivacyLoss(1), OFFICER, "stop")
        (proposal,) = ledger.proposals("shop")
        with pytest.raises(ApprovalNeededError):
            ledger.set_cap(ADA.id, PrivacyLoss(900, 900), OFFICER, "again", proposal_id=proposal.id)

    def test_what_an_analyst_asks_for_needs_two_others(self, ledger: Ledger) -> None:
        wanted = cap_change(ADA.id, "lifetime", PrivacyLoss(900, 900))
        ledger.propose(Proposal("p", "shop", wanted, "ada", "please"))
        with pytest.raises(OwnProposalError):
            ledger.decide("p", APPROVED, "ada", "I like it")
        assert ledger.decide("p", APPROVED, OFFICER, "fine").state == "waiting"
        with pytest.raises(OwnProposalError):
            ledger.decide("p", APPROVED, OFFICER, "fine")
        assert ledger.decide("p", APPROVED, SECOND_OFFICER, "fine").state == "made"

    @pytest.mark.parametrize(("decision", "who"), [("declined", SECOND_OFFICER), ("withdrawn", OFFICER)])
    def test_a_proposal_that_ended_makes_nothing(self, ledger: Ledger, decision: str, who: str) -> None:
        wanted = cap_change(ADA.id, "lifetime", PrivacyLoss(900, 900))
        ledger.propose(Proposal("p", "shop", wanted, OFFICER, "launch", decisions=((APPROVED, OFFICER),)))
        assert ledger.decide("p", decision, who, "no").state == decision
        with pytest.raises(InvalidTransitionError):
            ledger.decide("p", APPROVED, SECOND_OFFICER, "yes")
        assert ledger.balance(ADA.id).cap == PERSON_CAP

    def test_only_who_proposed_withdraws_and_unknown_proposals_are_refused(self, ledger: Ledger) -> None:
        ledger.propose(Proposal("p", "shop", {"kind": "other"}, "ada", "please"))
        with pytest.raises(OwnProposalError):
            ledger.decide("p", "withdrawn", OFFICER, "not mine")
        with pytest.raises(UnknownProposalError):
            ledger.decide("q", APPROVED, OFFICER, "what?")
        with pytest.raises(InvalidTransitionError):
            ledger.decide("p", "made", OFFICER, "no such decision")

    @pytest.mark.parametrize("scope", ["shop", "*"])
    def test_one_person_stops_and_two_start_again(self, ledger: Ledger, scope: str) -> None:
        ledger.reserve(claim_of("a"))
        ledger.freeze(scope, OFFICER, "a leak?")
        assert ledger.frozen() == (scope,)
        with pytest.raises(FrozenError):
            ledger.begin("q_a")
        ledger.void("q_a", "frozen")
        for ask in (
            lambda: ledger.reserve(claim_of("b")),
            lambda: ledger.record_reuse(claim_of("c", 0), outcome_of("c")),
        ):
            with pytest.raises(FrozenError):
                ask()
        ending = Proposal("p", None, unfreezing(scope), OFFICER, "all fine", decisions=((APPROVED, OFFICER),))
        ledger.propose(ending)
        with pytest.raises(FrozenError):
            ledger.reserve(claim_of("d"))
        ledger.decide("p", APPROVED, SECOND_OFFICER, "yes")
        assert ledger.frozen() == ()
        answer(ledger, "e")

    def test_freezing_one_dataset_leaves_the_others(self, ledger: Ledger) -> None:
        other = Account("bank", "bank", "dataset", None, None)
        ledger.open_account(other, DATASET_CAP, OFFICER, "another")
        ledger.freeze("shop", OFFICER, "why")
        ledger.reserve(replace(claim_of("a", account=other), principal="ada"))

    def test_what_was_begun_ends_although_it_is_frozen(self, ledger: Ledger) -> None:
        ledger.reserve(claim_of("a"))
        ledger.begin("q_a")
        ledger.freeze("shop", OFFICER, "why")
        ledger.settle("q_a", outcome_of("a"), ())
        assert ledger.replay("ada", "key-a", "d" * 64) == outcome_of("a")

    # The life of a reservation

    def test_begin_turns_the_reserved_into_the_spent(self, ledger: Ledger) -> None:
        ledger.reserve(claim_of("a", 300))
        ledger.begin("q_a")
        assert amounts(ledger.balance(ADA.id)) == amounts(ledger.balance(DATASET.id)) == (300, 0)

    def test_settling_stores_the_answer_and_charges_no_more(self, ledger: Ledger) -> None:
        outcome = answer(ledger, "a", 300)
        assert ledger.outcome("q_a") == outcome
        assert ledger.find_release("shop", "plan", "snapshot-1", 300) == release_of("a", 300)
        assert amounts(ledger.balance(ADA.id)) == (300, 0)

    def test_failing_charges_in_full_and_stores_the_error(self, ledger: Ledger) -> None:
        ledger.reserve(claim_of("a", 300))
        ledger.begin("q_a")
        error = Outcome("q_a", 503, b"constant", "application/problem+json")
        ledger.fail("q_a", error)
        assert ledger.outcome("q_a") == error
        assert amounts(ledger.balance(DATASET.id)) == (300, 0)

    def test_failures_are_counted_by_person_and_dataset_for_a_day(self, ledger: Ledger, clock: Clock) -> None:
        for name in ("a", "b"):
            ledger.reserve(claim_of(name, 3))
            ledger.begin(f"q_{name}")
            ledger.fail(f"q_{name}", Outcome(f"q_{name}", 503, b"constant", "application/problem+json"))
            clock.forward(3600)
        answer(ledger, "c", 3)
        who = claim_of("a", 3).principal
        assert [ledger.failures(*asked) for asked in ((who, "shop"), ("eve", "shop"), (who, "other"))] == [2, 0, 0]
        clock.forward(22 * 3600 - 1)
        assert ledger.failures(who, "shop") == 2
        clock.forward(1)
        assert ledger.failures(who, "shop") == 1

    def test_voiding_gives_everything_back(self, ledger: Ledger) -> None:
        ledger.reserve(claim_of("a", 300, 5))
        ledger.void("q_a", "the engine was busy")
        assert ledger.balance(DATASET.id) == Balance(DATASET, DATASET_CAP, ZERO, ZERO)
        assert ledger.balance(ADA.id) == Balance(ADA, PERSON_CAP, ZERO, ZERO)
        assert ledger.outcome("q_a") is None

    @pytest.mark.parametrize("end", ["void", "settle", "fail"])
    def test_ending_one_reservation_leaves_the_others_alone(self, ledger: Ledger, end: str) -> None:
        ledger.reserve(claim_of("other", 100))
        ledger.reserve(claim_of("a", 30))
        if end == "void":
            ledger.void("q_a", "busy")
        else:
            ledger.begin("q_a")
            steps = {
                "settle": lambda: ledger.settle("q_a", outcome_of("a"), ()),
                "fail": lambda: ledger.fail("q_a", outcome_of("a")),
            }
            steps[end]()
        for account in (ADA, DATASET):
            assert amounts(ledger.balance(account.id)) == (0 if end == "void" else 30, 100)

    @pytest.mark.parametrize(
        ("reached", "refused"),
        [
            ((), ("begin", "void", "settle", "fail")),
            (("reserve",), ("settle", "fail")),
            (("reserve", "begin"), ("begin", "void")),
            (("reserve", "void"), ("begin", "void", "settle", "fail")),
            (("reserve", "begin", "settle"), ("begin", "void", "settle", "fail")),
            (("reserve", "begin", "fail"), ("begin", "void", "settle", "fail")),
            (("reuse",), ("begin", "void", "settle", "fail")),
        ],
    )
    def test_no_step_is_taken_twice_or_out_of_order(
        self, ledger: Ledger, reached: tuple[str, ...], refused: tuple[str, ...]
    ) -> None:
        steps: dict[str, Callable[[], object]] = {
            "reserve": lambda: ledger.reserve(claim_of("a", 300)),
            "reuse": lambda: ledger.record_reuse(claim_of("a", 0), outcome_of("a")),
            "begin": lambda: ledger.begin("q_a"),
            "void": lambda: ledger.void("q_a", "why"),
            "settle": lambda: ledger.settle("q_a", outcome_of("a"), ()),
            "fail": lambda: ledger.fail("q_a", outcome_of("a")),
        }
        for step in reached:
            steps[step]()
        before = ledger.head(), ledger.accounts()
        for step in refused:
            with pytest.raises(InvalidTransitionError):
                steps[step]()
        assert (ledger.head(), ledger.accounts()) == before

    def test_an_answer_is_stored_under_its_own_query_only(self, ledger: Ledger) -> None:
        ledger.reserve(claim_of("a"))
        ledger.begin("q_a")
        for outcome, releases in ((outcome_of("b"), ()), (outcome_of("a"), (release_of("b"),))):
            with pytest.raises(InvalidTransitionError):
                ledger.settle("q_a", outcome, releases)
        with pytest.raises(InvalidTransitionError):
            ledger.fail("q_a", outcome_of("b"))
        with pytest.raises(InvalidTransitionError):
            ledger.record_reuse(claim_of("c", 0), outcome_of("b"))

    def test_a_query_id_is_used_once(self, ledger: Ledger) -> None:
        answer(ledger, "a")
        ledger.reserve(claim_of("b"))
        ledger.void("q_b", "")
        for name in ("a", "b"):
            with pytest.raises(InvalidTransitionError):
                ledger.reserve(claim_of(name, key="fresh"))

    # Idempotency

    def test_a_free_key_replays_nothing(self, ledger: Ledger) -> None:
        assert ledger.replay("ada", "key-a", "d" * 64) is None

    def test_a_finished_request_replays_the_same_bytes(self, ledger: Ledger) -> None:
        outcome = answer(ledger, "a")
        assert ledger.replay("ada", "key-a", "d" * 64) == outcome
        assert ledger.replay("ada", "key-a", "d" * 64) == outcome

    def test_a_finished_request_is_not_charged_again(self, ledger: Ledger) -> None:
        answer(ledger, "a", 300)
        with pytest.raises(RequestInProgressError):
            ledger.reserve(claim_of("again", 300, key="key-a"))
        with pytest.raises(RequestInProgressError):
            ledger.record_reuse(claim_of("again", 0, key="key-a"), outcome_of("again"))
        assert amounts(ledger.balance(ADA.id)) == (300, 0)

    @pytest.mark.parametrize("begun", [False, True])
    def test_an_unfinished_request_is_in_progress(self, ledger: Ledger, begun: bool) -> None:  # noqa: FBT001
        ledger.reserve(claim_of("a"))
        if begun:
            ledger.begin("q_a")
        with pytest.raises(RequestInProgressError):
            ledger.replay("ada", "key-a", "d" * 64)
        with pytest.raises(RequestInProgressError):
            ledger.reserve(claim_of("again", key="key-a"))

    def test_another_request_under_the_same_key_is_refused(self, ledger: Ledger) -> None:
        claim = claim_of("a")

        def refuse_another() -> None:
            with pytest.raises(IdempotencyKeyReusedError):
                ledger.replay("ada", "key-a", "e" * 64)
            with pytest.raises(IdempotencyKeyReusedError):
                ledger.reserve(another_request(claim))

        ledger.reserve(claim)
        refuse_another()
        ledger.begin("q_a")
        refuse_another()
        ledger.settle("q_a", outcome_of("a"), ())
        refuse_another()

    def test_voiding_frees_the_key_for_any_request_as_often_as_it_happens(self, ledger: Ledger) -> None:
        for attempt in range(3):
            ledger.reserve(claim_of(f"a{attempt}", key="k"))
            ledger.void(f"q_a{attempt}", "busy")
            assert ledger.replay("ada", "k", "d" * 64) is None
            assert ledger.replay("ada", "k", "e" * 64) is None
        ledger.reserve(another_request(claim_of("b", key="k")))
        with pytest.raises(IdempotencyKeyReusedError):
            ledger.replay("ada", "k", "d" * 64)

    def test_someone_elses_key_tells_nothing(self, ledger: Ledger) -> None:
        answer(ledger, "a")
        assert ledger.replay("ben", "key-a", "d" * 64) is None
        assert ledger.replay("ben", "key-a", "e" * 64) is None
        ledger.reserve(claim_of("b", account=BEN, key="key-a"))

    def test_principal_and_key_cannot_run_into_each_other(self, ledger: Ledger) -> None:
        ledger.reserve(replace(claim_of("a", key="b"), principal="ada-"))
        ledger.reserve(replace(claim_of("b", key="-b"), principal="ada"))

    # Free repeats

    def test_a_free_repeat_is_stored_and_costs_nothing(self, ledger: Ledger) -> None:
        outcome = outcome_of("a")
        ledger.record_reuse(claim_of("a", 0), outcome)
        assert ledger.replay("ada", "key-a", "d" * 64) == outcome
        assert ledger.outcome("q_a") == outcome
        assert amounts(ledger.balance(DATASET.id)) == (0, 0)
        with pytest.raises(IdempotencyKeyReusedError):
            ledger.record_reuse(another_request(claim_of("a", 0)), outcome_of("a_other"))

    @pytest.mark.parametrize("loss", [PrivacyLoss(1), PrivacyLoss(0, 1)])
    def test_a_repeat_that_costs_something_is_no_free_repeat(self, ledger: Ledger, loss: PrivacyLoss) -> None:
        with pytest.raises(InvalidTransitionError):
            ledger.record_reuse(replace(claim_of("a"), loss=loss), outcome_of("a"))

    def test_a_free_repeat_needs_no_budget(self, ledger: Ledger) -> None:
        answer(ledger, "a", 800)
        ledger.set_cap(ADA.id, ZERO, OFFICER, "enough")
        ledger.record_reuse(claim_of("b", 0), outcome_of("b"))

    def test_the_most_accurate_release_is_found_and_of_equals_the_oldest(self, ledger: Ledger) -> None:
        for name, rho_nano in (("a", 10), ("b", 30), ("c", 30), ("d", 20)):
            answer(ledger, name, rho_nano)
        for at_least in (0, 10, 30):
            assert ledger.find_release("shop", "plan", "snapshot-1", at_least) == release_of("b", 30)
        assert ledger.find_release("shop", "plan", "snapshot-1", 31) is None

    @pytest.mark.parametrize(
        "other", [("bank", "plan", "snapshot-1"), ("shop", "other", "snapshot-1"), ("shop", "plan", "snapshot-2")]
    )
    def test_a_release_is_found_for_its_own_dataset_plan_and_snapshot_only(
        self, ledger: Ledger, other: tuple[str, str, str]
    ) -> None:
        answer(ledger, "a")
        assert ledger.find_release(*other, 0) is None

    def test_several_releases_of_one_query_are_all_stored(self, ledger: Ledger) -> None:
        ledger.reserve(claim_of("a"))
        ledger.begin("q_a")
        releases = tuple(StoredRelease(f"plan-{n}", "s", 5, "q_a", "shop", bytes([n])) for n in range(3))
        ledger.settle("q_a", outcome_of("a"), releases)
        assert tuple(ledger.find_release("shop", f"plan-{n}", "s", 5) for n in range(3)) == releases

    # History and entries

    def test_the_history_is_newest_first_and_knows_states(self, ledger: Ledger) -> None:
        answer(ledger, "a")
        ledger.reserve(claim_of("b", account=BEN))
        ledger.void("q_b", "")
        ledger.record_reuse(claim_of("c", 0), outcome_of("c"))
        everything = ledger.queries(principal=None, dataset="shop", before=None, limit=10)
        assert [(record.query_id, record.state, record.reused) for record in everything] == [
            ("q_c", "reused", True),
            ("q_b", "voided", False),
            ("q_a", "settled", False),
        ]
        assert everything[2] == ledger.query("q_a")
        assert everything[2].loss == PrivacyLoss(10)
        assert everything[2].description == claim_of("a").description
        assert (everything[2].principal, everything[2].account_id) == ("ada", ADA.id)
        assert ledger.query("q_z") is None
        assert ledger.outcome("q_z") is None

    def test_the_history_is_paged_and_filtered(self, ledger: Ledger) -> None:
        for name in "abcde":
            ledger.record_reuse(claim_of(name, 0, account=BEN if name == "c" else ADA), outcome_of(name))

        def page(principal: str | None, dataset: str | None, before: str | None) -> str:
            records = ledger.queries(principal=principal, dataset=dataset, before=before, limit=2)
            return "".join(record.query_id.removeprefix("q_") for record in records)

        assert page(None, None, None) == "ed"
        assert page(None, None, "q_d") == "cb"
        assert page("ada", None, "q_d") == "ba"
        assert page("ben", "shop", None) == "c"
        assert page("ben", "bank", None) == ""
        assert page(None, None, "q_unknown") == ""

    def test_entries_are_chained_and_paged(self, ledger: Ledger) -> None:
        answer(ledger, "a")
        entries = ledger.entries(after_seq=0, limit=100)
        assert [entry.kind for entry in entries] == ["account-opened"] * 3 + ["reserved", "begun", "settled"]
        assert [entry.seq for entry in entries] == list(range(1, 7))
        assert [entry.prev_hash for entry in entries] == [GENESIS_HASH, *(entry.hash for entry in entries[:-1])]
        assert ledger.head() == Head(6, entries[-1].hash)
        assert ledger.entries(after_seq=3, limit=2) == entries[3:5]
        assert ledger.entries(after_seq=6, limit=2) == ()

    def test_the_entries_of_an_account_are_those_of_its_queries_and_caps(self, ledger: Ledger) -> None:
        answer(ledger, "a")
        answer(ledger, "b", account=BEN)
        ledger.set_cap(BEN.id, PrivacyLoss(5), OFFICER, "less")
        kinds = [entry.kind for entry in ledger.entries(after_seq=0, limit=100, account_id=BEN.id)]
        assert kinds == ["account-opened", "reserved", "begun", "settled", "cap-set"]
        assert len(ledger.entries(after_seq=0, limit=100, account_id=DATASET.id)) == 1 + 6

    def test_an_entry_holds_the_facts_for_an_auditor_and_no_idempotency_key(self, ledger: Ledger) -> None:
        ledger.reserve(claim_of("a", 300, key="very-secret"))
        entry = ledger.entries(after_seq=3, limit=1)[0]
        assert entry.facts["description"] == claim_of("a").description
        assert entry.facts["rho_nano"] == 300
        assert entry.actor == "ada"
        assert "very-secret" not in entry.payload

    def test_time_in_the_entries_never_goes_back(self, ledger: Ledger, clock: Clock) -> None:
        clock.forward(-3600)
        ledger.reserve(claim_of("a"))
        clock.forward(7200)
        ledger.begin("q_a")
        at = [entry.at for entry in ledger.entries(after_seq=2, limit=3)]
        assert at == ["2026-11-23T08:00:00.000000Z", "2026-11-23T08:00:00.000000Z", "2026-11-23T09:00:00.000000Z"]

    # Recovery

    def test_recovery_leaves_a_running_lease_alone(self, ledger: Ledger, clock: Clock) -> None:
        ledger.reserve(claim_of("a"))
        clock.forward(LEASE_SECONDS - 1)
        assert ledger.recover() == Recovery(0, 0)
        ledger.begin("q_a")

    def test_recovery_voids_what_was_not_begun(self, ledger: Ledger, clock: Clock) -> None:
        ledger.reserve(claim_of("a", 300))
        clock.forward(LEASE_SECONDS)
        assert ledger.recover() == Recovery(1, 0)
        assert amounts(ledger.balance(DATASET.id)) == (0, 0)
        assert ledger.replay("ada", "key-a", "d" * 64) is None
        with pytest.raises(InvalidTransitionError):
            ledger.begin("q_a")

    def test_recovery_charges_what_was_begun_and_stores_a_constant_error(self, ledger: Ledger, clock: Clock) -> None:
        ledger.reserve(claim_of("a", 300))
        ledger.begin("q_a")
        clock.forward(LEASE_SECONDS)
        assert ledger.recover() == Recovery(0, 1)
        assert ledger.recover() == Recovery(0, 0)
        assert amounts(ledger.balance(DATASET.id)) == (300, 0)
        stored = ledger.replay("ada", "key-a", "d" * 64)
        assert stored is not None
        assert stored == ledger.outcome("q_a")
        assert stored.status == 503
        with pytest.raises(InvalidTransitionError):
            ledger.settle("q_a", outcome_of("a"), ())

    def test_recovery_never_touches_a_finished_query(self, ledger: Ledger, clock: Clock) -> None:
        answer(ledger, "a")
        ledger.reserve(claim_of("b"))
        ledger.void("q_b", "")
        ledger.record_reuse(claim_of("c", 0), outcome_of("c"))
        clock.forward(10 * LEASE_SECONDS)
        assert ledger.recover() == Recovery(0, 0)
