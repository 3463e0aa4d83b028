"""A policy that allows more waits for two officers; one that allows less serves at once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from budgets.ledger import Ledger
from budgets.proposals import APPROVED, DECLINED
from queries import vault
from queries.errors import LoadError
from queries.vault import SecretKeys, Snapshot, current_snapshot, load_snapshot, waiting_snapshot
from queries.vault_snapshots import loading
from service.accounts import open_accounts
from service.app import open_ledger
from service.catalogue import VaultCatalogue
from service.policy_gate import may_serve, propose_policy, serve_approved, waiting_document
from service.settings import Settings
from tests.service.fakes import POLICY_TEXT
from tests.service.harness import Harness

LOOSER = POLICY_TEXT.replace('max_epsilon: "2"', 'max_epsilon: "3"')
LOOSEST = POLICY_TEXT.replace('max_epsilon: "2"', 'max_epsilon: "4"')
STRICTER = POLICY_TEXT.replace('max_epsilon: "2"', 'max_epsilon: "1"')


class Place:
    """A data directory with its ledger."""

    def __init__(self, directory: Path, ledger: Ledger | None = None) -> None:
        self.settings = Settings(data_dir=directory)
        self.root = self.settings.vault_root
        self.ledger: Ledger = ledger or open_ledger(self.settings)
        self._source = directory / "purchases.csv"
        self._source.write_text("household_id,day,amount\n1,2017-01-02,3.50\n2,2017-01-03,4.25\n")

    def load(self, policy: str) -> Snapshot:
        """What `kvitto load` does."""
        sources, keys = {"purchases": str(self._source)}, SecretKeys.open(self.settings.keys_dir)
        snapshot = load_snapshot(
            self.root, policy, sources, keys, may_serve=lambda current, new: may_serve(self.ledger, current, new)
        )
        if propose_policy(self.ledger, self.root, "shop") is None:
            open_accounts(self.ledger, snapshot.policy)
        return snapshot

    def decide(self, *decisions: str) -> None:
        """What officers decide of the newest proposal."""
        newest = self.ledger.proposals("shop")[0]
        for number, decision in enumerate(decisions):
            self.ledger.decide(newest.id, decision, f"officer{number}", "as agreed")
        serve_approved(self.ledger, self.root)

    def ids(self) -> tuple[str | None, str | None]:
        """The current snapshot and the waiting one."""
        found = current_snapshot(self.root, "shop"), waiting_snapshot(self.root, "shop")
        current, waiting = (None if each is None else each.id for each in found)
        return current, waiting


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    found = Place(tmp_path / "var")
    yield found
    found.ledger.close()


def test_the_first_policy_and_one_that_allows_no_more_serve_at_once(place: Place) -> None:
    for policy in (POLICY_TEXT, POLICY_TEXT.replace("A small shop", "Another"), STRICTER, STRICTER):
        snapshot = place.load(policy)
        assert place.ids() == (snapshot.id, None)
    assert place.ledger.proposals() == ()


def test_a_looser_policy_serves_when_two_officers_have_approved(place: Place) -> None:
    old, new = place.load(POLICY_TEXT), place.load(LOOSER)
    catalogue = VaultCatalogue(place.root)
    assert place.ids() == (old.id, new.id)
    assert catalogue.snapshot("shop") == old
    assert catalogue.waiting("shop") == new
    (proposal,) = place.ledger.proposals("shop")
    assert proposal.change == {
        "kind": "policy",
        "from": old.policy_digest,
        "digest": new.policy_digest,
        "differences": [{"effect": "loosening", "words": "query.max_epsilon: 2 becomes 3"}],
    }
    shown = waiting_document(place.ledger, new, old.policy)
    assert shown is not None
    assert (shown["id"], shown["proposal"]) == (new.id, proposal.id)
    place.decide(APPROVED)
    assert place.ids() == (old.id, new.id)
    place.ledger.decide(proposal.id, APPROVED, "officer1", "as agreed")
    serve_approved(place.ledger, place.root)
    assert place.ids() == (new.id, None)
    assert catalogue.snapshot("shop") == new
    kinds = [entry.kind for entry in place.ledger.entries(after_seq=0, limit=100)]
    assert kinds.count("permitted") == 1


def test_an_approval_is_of_one_step_from_one_policy_to_another(place: Place) -> None:
    place.load(POLICY_TEXT)
    place.load(LOOSER)
    loosest = place.load(LOOSEST)
    (newest, older) = place.ledger.proposals("shop")
    assert newest.change["digest"] == loosest.policy_digest
    for officer in ("ann", "ben"):
        place.ledger.decide(older.id, APPROVED, officer, "as agreed")
    serve_approved(place.ledger, place.root)
    assert place.ids()[1] == loosest.id


def test_only_the_snapshot_of_the_approved_step_is_made_current(place: Place) -> None:
    """Whatever became current or waits since the approval was looked at."""
    old, new = place.load(POLICY_TEXT), place.load(LOOSER)
    right = (old.policy_digest, new.policy_digest)
    for wrong in ((None, right[1]), (right[1], right[1]), (right[0], right[0]), (right[0], "")):
        assert vault.serve_waiting(place.root, "shop", *wrong) is None
        assert place.ids() == (old.id, new.id)
    assert vault.serve_waiting(place.root, "shop", *right) == new
    assert vault.serve_waiting(place.root, "shop", *right) is None


def test_what_was_approved_once_is_no_way_back_after_tightening(place: Place) -> None:
    place.load(POLICY_TEXT)
    place.load(LOOSER)
    place.decide(APPROVED, APPROVED)
    strict = place.load(STRICTER)
    again = place.load(LOOSER)
    assert place.ids() == (strict.id, again.id)
    serve_approved(place.ledger, place.root)
    assert place.ids() == (strict.id, again.id)
    place.decide(APPROVED, APPROVED)
    assert place.ids() == (again.id, None)


def test_new_data_under_an_approved_policy_serve_at_once(place: Place) -> None:
    place.load(POLICY_TEXT)
    place.load(LOOSER)
    place.decide(APPROVED, APPROVED)
    snapshot = place.load(LOOSER)
    assert place.ids() == (snapshot.id, None)


def test_new_data_under_the_old_policy_take_the_place_of_what_waits(place: Place) -> None:
    place.load(POLICY_TEXT)
    place.load(LOOSER)
    current = place.load(POLICY_TEXT)
    assert place.ids() == (current.id, None)
    place.decide(APPROVED, APPROVED)
    assert place.ids() == (current.id, None)


def test_a_declined_policy_never_serves_and_is_proposed_anew_by_the_next_load_only(place: Place) -> None:
    old = place.load(POLICY_TEXT)
    place.load(LOOSER)
    place.decide(DECLINED)
    assert place.ids()[0] == old.id
    assert len(place.ledger.proposals("shop")) == 1
    place.load(LOOSER)
    assert len(place.ledger.proposals("shop")) == 2


def test_a_proposal_that_a_lost_load_did_not_make_is_made_by_the_service(place: Place) -> None:
    place.load(POLICY_TEXT)
    (place.root / "shop" / "waiting").unlink(missing_ok=True)
    sources, keys = {"purchases": str(place.root.parent / "purchases.csv")}, SecretKeys.open(place.settings.keys_dir)
    load_snapshot(place.root, LOOSER, sources, keys, may_serve=lambda *_: False)
    assert place.ledger.proposals("shop") == ()
    for _ in range(2):
        serve_approved(place.ledger, place.root)
    assert len(place.ledger.proposals("shop")) == 1


def test_a_policy_that_cannot_be_compared_waits(place: Place) -> None:
    """The vault was lost, or damaged; the ledger knows the dataset."""
    place.load(POLICY_TEXT)
    shutil.rmtree(place.root / "shop")
    snapshot = place.load(POLICY_TEXT)
    assert place.ids() == (None, snapshot.id)
    assert "nothing can be compared" in str(place.ledger.proposals("shop")[0].change)
    place.decide(APPROVED, APPROVED)
    assert place.ids() == (snapshot.id, None)


def test_nothing_changes_during_a_load(place: Place) -> None:
    old, new = place.load(POLICY_TEXT), place.load(LOOSER)
    with loading(place.root / "shop", SecretKeys.open(place.settings.keys_dir)):
        place.decide(APPROVED, APPROVED)
        with pytest.raises(LoadError):
            vault.serve_waiting(place.root, "shop", old.policy_digest, new.policy_digest)
    assert place.ids() == (old.id, new.id)
    serve_approved(place.ledger, place.root)
    assert place.ids() == (new.id, None)


def test_waiting_snapshots_are_kept_when_old_ones_are_deleted(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("queries.vault_snapshots.MINIMUM_AGE_SECONDS", 0)
    old = place.load(POLICY_TEXT)
    new = [place.load(LOOSER) for _ in range(4)][-1]
    assert place.ids() == (old.id, new.id)
    assert new.public_file.exists()
    assert old.public_file.exists()


def test_the_accounts_of_an_approved_policy_are_opened(place: Place) -> None:
    place.load(POLICY_TEXT)
    place.load(POLICY_TEXT.replace("persons:\n", 'persons:\n  maria: {epsilon: "1"}\n'))
    assert "shop/person/maria" not in {each.account.id for each in place.ledger.accounts()}
    place.decide(APPROVED, APPROVED)
    assert "shop/person/maria" in {each.account.id for each in place.ledger.accounts()}


def test_the_second_approval_over_http_has_the_snapshot_serve(harness: Harness) -> None:
    place = Place(harness.app.state.context.settings.data_dir, harness.ledger)
    sources, keys = {"purchases": str(place.root.parent / "purchases.csv")}, SecretKeys.open(place.settings.keys_dir)
    old = load_snapshot(place.root, POLICY_TEXT, sources, keys)
    new = load_snapshot(place.root, LOOSER, sources, keys, may_serve=lambda *_: False)
    proposal = propose_policy(harness.ledger, place.root, "shop")
    assert proposal is not None
    shown = harness.send("GET", f"/v1/approvals/{proposal.id}", "officer").json()
    assert shown["words"] == "A policy that allows more serves: query.max_epsilon: 2 becomes 3"
    assert (shown["proposer"], shown["approvals_needed"]) == ("load", 2)
    for officer, current in (("officer", old), ("officer2", new)):
        body = {"decision": "approve", "reason": "as agreed"}
        assert harness.send("POST", f"{shown['url']}/decision", officer, json=body).status_code == 200
        assert current_snapshot(place.root, "shop") == current


def test_a_dataset_tells_what_waits(harness: Harness, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert harness.send("GET", "/v1/datasets/shop").json()["waiting"] is None
    place = Place(tmp_path / "other")
    place.load(POLICY_TEXT)
    new = place.load(LOOSER)
    place.ledger.close()
    monkeypatch.setattr(type(harness.catalogue), "waiting", lambda *_: new)
    waiting = harness.send("GET", "/v1/datasets/shop").json()["waiting"]
    words = [{"effect": "loosening", "words": "query.max_epsilon: 2 becomes 3"}]
    assert waiting == {"id": new.id, "created": new.created, "proposal": None, "differences": words}
