"""What every token store promises, and the rules of the services over each of them."""

import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Barrier, Event, Thread

import pytest

from tokens import secret
from tokens.access import AccessService
from tokens.database import Database
from tokens.errors import (
    AmbiguousToken,
    InvalidToken,
    NameTaken,
    ScopeError,
    TokenEnded,
    TokenError,
    UnknownToken,
)
from tokens.memory import MemoryAccess, MemoryTokens
from tokens.model import AccessToken, Principal, Refused, Scopes, Token
from tokens.service import Minted, TokenService
from tokens.sqlite import SqliteAccess, SqliteTokens
from tokens.store import AccessStore, TokenStore


@dataclass
class Clock:
    """A clock that a test sets."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(params=["memory", "sqlite"])
def stores(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[tuple[TokenStore, AccessStore]]:
    if request.param == "memory":
        yield MemoryTokens(), MemoryAccess()
        return
    database = Database.open(tmp_path, create=True, patience=20)
    yield SqliteTokens(database), SqliteAccess(database)
    database.close()


@pytest.fixture
def store(stores: tuple[TokenStore, AccessStore]) -> TokenStore:
    return stores[0]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def service(store: TokenStore, clock: Clock) -> TokenService:
    return TokenService(store, clock, os.urandom)


@pytest.fixture
def access(stores: tuple[TokenStore, AccessStore], clock: Clock) -> AccessService:
    return AccessService(stores[1], clock, os.urandom)


def verdict(service: TokenService, minted: Minted, function: str = "shop") -> str:
    found = service.verify(minted.secret, function)
    return found.reason if isinstance(found, Refused) else "good"


def shown(service: TokenService, function: str | None = "shop") -> list[str]:
    return [token.shown_name for token in service.list(function)]


# The store itself


FULL = Token(
    id="tok_full",
    function="shop",
    name="full",
    hint="abc1",
    created=1.5,
    lineage="tok_first",
    expires=2.5,
    revoked=3.5,
    scopes=Scopes.parse(["http", "route:GET /orders/{id}", "tool:pay"]),
    rate="100/m",
    replaced_by="tok_next",
)
PLAIN = Token("tok_plain", "other", "plain", "def4", 0.5, "tok_plain")


def test_a_token_comes_back_as_it_was_kept(store: TokenStore) -> None:
    store.add(b"1" * 32, FULL)
    store.add(b"2" * 32, PLAIN)
    assert store.find(b"1" * 32) == FULL
    assert store.find(b"2" * 32) == PLAIN
    assert store.find(b"3" * 32) is None


def test_tokens_come_oldest_first(store: TokenStore) -> None:
    store.add(b"1" * 32, FULL)
    store.add(b"2" * 32, PLAIN)
    assert store.tokens(None) == [PLAIN, FULL]
    assert store.tokens("shop") == [FULL]
    assert store.tokens("nothing") == []


def test_tokens_come_page_by_page_in_the_same_order(store: TokenStore) -> None:
    made = [
        Token(f"tok_{n}", ("shop", "other")[n % 2], "n", "h", float(n // 3), "l") for n in range(12)
    ]
    for number, token in enumerate(made):
        store.add(bytes([number]) * 32, token)
    for function in (None, "shop"):
        whole, paged = store.tokens(function), list[Token]()
        while page := store.tokens(function, after=paged[-1].id if paged else None, limit=5):
            assert len(page) <= 5
            paged += page
        assert paged == whole
    assert len(store.tokens("shop")) == 6
    assert store.tokens(None, after="tok_nobody") == []


def test_a_functions_tokens_are_found_by_id_or_name_in_every_state(store: TokenStore) -> None:
    old = Token("tok_old", "shop", "ci", "h", 1.0, "tok_old", revoked=2.0)
    new = Token("tok_new", "shop", "ci", "h", 3.0, "tok_new")
    foreign = Token("tok_foreign", "other", "ci", "h", 4.0, "tok_foreign")
    for number, token in enumerate((new, foreign, old, FULL)):
        store.add(bytes([number]) * 32, token)
    assert store.named("shop", "ci") == [old, new]
    assert store.named("shop", "tok_old") == [old]
    assert store.named("shop", "tok_foreign") == []
    assert store.named("other", "ci") == [foreign]
    assert store.named("shop", "nothing") == []


def test_what_is_good_is_counted(store: TokenStore) -> None:
    ends = {"a": (None, None), "b": (200.0, None), "c": (None, 50.0), "d": (100.0, None)}
    for name, (expires, revoked) in ends.items():
        row = replace(PLAIN, id=f"tok_{name}", name=name, expires=expires, revoked=revoked)
        store.add(name.encode() * 32, row)
    assert [store.count(now) for now in (99.0, 100.0, 200.0)] == [3, 2, 1]


def test_last_use_only_goes_forward_and_other_changes_leave_it_alone(store: TokenStore) -> None:
    store.add(b"2" * 32, PLAIN)
    store.touch({"tok_plain": 20.0, "tok_unknown": 30.0})
    store.touch({"tok_plain": 10.0})
    store.update(PLAIN)
    found = store.find(b"2" * 32)
    assert found is not None
    assert found.last_used == 20.0


def test_a_block_sees_its_writes_and_others_see_them_at_its_end(store: TokenStore) -> None:
    entered, seen = Event(), Event()

    def write() -> None:
        with store.transaction():
            store.add(b"1" * 32, FULL)
            assert store.find(b"1" * 32) == FULL
            assert store.tokens("shop") == [FULL]
            entered.set()
            assert seen.wait(10)

    writer = Thread(target=write)
    writer.start()
    assert entered.wait(10)
    assert store.find(b"1" * 32) is None
    assert store.tokens(None) == []
    seen.set()
    writer.join(10)
    assert store.find(b"1" * 32) == FULL


def test_a_block_that_fails_leaves_nothing(store: TokenStore) -> None:
    store.add(b"2" * 32, PLAIN)

    def fail() -> None:
        with store.transaction():
            store.add(b"1" * 32, FULL)
            with store.transaction():
                store.touch({"tok_plain": 20.0})
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert store.tokens(None) == [PLAIN]


def test_many_threads_lose_nothing(store: TokenStore) -> None:
    def work(number: int) -> None:
        digest = bytes([number]) * 32
        store.add(digest, Token(f"tok_{number}", "shop", "n", "h", number, f"tok_{number}"))
        store.touch({f"tok_{number}": number + 1.0})
        assert store.find(digest) is not None

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(60)))
    assert [token.last_used for token in store.tokens("shop")] == [n + 1.0 for n in range(60)]


# Create and verify


def test_a_token_is_good_for_its_function_alone(service: TokenService) -> None:
    minted = service.create("shop", "default", scopes=["http"])
    token = minted.token
    assert service.verify(minted.secret, "shop") == Principal(
        token.id, "default", "shop", Scopes.parse(["http"]), token.id
    )
    assert service.verify(minted.secret.encode(), "shop") == token.principal
    assert verdict(service, minted, "other") == "other_function"
    assert minted.secret.startswith("jfn_rt_" + token.hint)


def test_an_edge_wide_token_is_good_for_every_function(service: TokenService) -> None:
    minted = service.create("*", "ops")
    assert [verdict(service, minted, name) for name in ("shop", "other", "*")] == ["good"] * 3
    assert shown(service, "shop") == []
    assert shown(service, "*") == ["ops"]


def test_what_was_never_made_is_unknown(service: TokenService) -> None:
    assert service.verify(secret.mint(os.urandom), "shop") == Refused("unknown")
    assert service.verify("jfn_rt_nonsense", "shop") == Refused("malformed")
    assert service.verify(secret.mint(os.urandom, secret.ACCESS), "shop") == Refused("malformed")


def test_a_made_up_token_is_refused_without_a_look_up(clock: Clock) -> None:
    class Untouchable(MemoryTokens):
        def find(self, digest: bytes) -> Token | None:
            raise AssertionError

    service = TokenService(Untouchable(), clock, os.urandom)
    for made_up in ("", "jfn_rt_" + "a" * 38, "jfn_rt_" + "a" * 5000):
        assert service.verify(made_up, "shop") == Refused("malformed")


def test_expiry_is_judged_on_every_verify(service: TokenService, clock: Clock) -> None:
    minted = service.create("shop", "default", expires=2000.0)
    clock.now = 1999.9
    assert verdict(service, minted) == "good"
    clock.now = 2000.0
    assert verdict(service, minted) == "expired"
    assert shown(service) == ["default"]


@pytest.mark.parametrize("expires", [999.0, 1000.0, float("inf"), float("nan")])
def test_an_expiry_that_has_passed_is_refused(service: TokenService, expires: float) -> None:
    with pytest.raises(InvalidToken, match="expired already"):
        service.create("shop", "default", expires=expires)


@pytest.mark.parametrize("name", ["", " x", "x ", "a~b", "a\nb", "ñ", "tok_1", "pat_1", "x" * 65])
def test_a_name_that_no_header_can_carry_is_refused(service: TokenService, name: str) -> None:
    with pytest.raises(InvalidToken, match="printable ASCII"):
        service.create("shop", name)


@pytest.mark.parametrize(
    "name", ["default", "ci-staging", "Brain Studio", "a", "x" * 64, "token_1"]
)
def test_names_are_free_text_otherwise(service: TokenService, name: str) -> None:
    assert service.create("shop", name).token.name == name


@pytest.mark.parametrize("rate", ["", "100", "0/m", "100/y", "-1/s", "1.5/s", "9999999999/s"])
def test_a_rate_that_is_none_is_refused(service: TokenService, rate: str) -> None:
    with pytest.raises(InvalidToken, match="100/m"):
        service.create("shop", "default", rate=rate)


def test_a_bad_scope_makes_no_token(service: TokenService) -> None:
    with pytest.raises(ScopeError, match="'nonsense'"):
        service.create("shop", "default", scopes=["http", "nonsense"])
    assert shown(service) == []


# Names


def test_a_name_is_unique_among_a_functions_live_tokens(service: TokenService) -> None:
    minted = service.create("shop", "default")
    with pytest.raises(NameTaken, match=minted.token.id):
        service.create("shop", "default")
    service.create("other", "default")
    service.create("*", "default")


def test_the_name_of_a_revoked_or_expired_token_is_free(
    service: TokenService, clock: Clock
) -> None:
    service.create("shop", "default")
    service.revoke("shop", "default")
    service.create("shop", "default", expires=2000.0)
    clock.now = 2000.0
    again = service.create("shop", "default")
    assert verdict(service, again) == "good"


def test_of_many_creates_with_one_name_exactly_one_succeeds(service: TokenService) -> None:
    assert winners(20, lambda: service.create("shop", "default")) == 1
    assert shown(service) == ["default"]


def winners(count: int, act: Callable[[], object]) -> int:
    """How many of so many threads that act at once succeed."""
    together, won = Barrier(count), []

    def compete() -> None:
        together.wait(10)
        with suppress(TokenError):
            won.append(act())

    threads = [Thread(target=compete) for _ in range(count)]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
    finally:
        sys.setswitchinterval(before)
    return len(won)


# Revoke


@pytest.mark.parametrize("by", ["id", "name"])
def test_a_revoked_token_is_refused_from_then_on(service: TokenService, by: str) -> None:
    minted, other = service.create("shop", "default"), service.create("shop", "other")
    revoked = service.revoke("shop", minted.token.id if by == "id" else "default")
    assert (revoked.id, revoked.revoked) == (minted.token.id, 1000.0)
    assert (verdict(service, minted), verdict(service, other)) == ("revoked", "good")
    assert shown(service) == ["other"]


def test_what_is_not_there_cannot_be_revoked(service: TokenService) -> None:
    minted = service.create("shop", "default")
    for function, name in [("shop", "nope"), ("other", "default"), ("other", minted.token.id)]:
        with pytest.raises(UnknownToken, match="list them"):
            service.revoke(function, name)


def test_an_edge_wide_token_is_not_revoked_through_a_function(service: TokenService) -> None:
    minted = service.create("*", "ops")
    with pytest.raises(UnknownToken):
        service.revoke("shop", minted.token.id)
    assert verdict(service, minted) == "good"


def test_a_token_is_revoked_once(service: TokenService) -> None:
    minted = service.create("shop", "default")
    service.revoke("shop", "default")
    with pytest.raises(TokenEnded, match="revoked already"):
        service.revoke("shop", minted.token.id)
    with pytest.raises(UnknownToken):
        service.revoke("shop", "default")


def test_of_many_revokes_at_once_exactly_one_wins(service: TokenService) -> None:
    minted = service.create("shop", "default")
    assert winners(20, lambda: service.revoke("shop", minted.token.id)) == 1
    assert verdict(service, minted) == "revoked"


def test_an_expired_token_can_be_revoked_by_its_id(service: TokenService, clock: Clock) -> None:
    minted = service.create("shop", "default", expires=2000.0)
    clock.now = 3000.0
    service.revoke("shop", minted.token.id)
    assert verdict(service, minted) == "revoked"


def test_deleting_a_function_ends_its_tokens_for_good(service: TokenService) -> None:
    minted = [service.create("shop", "a"), service.create("shop", "b")]
    minted.append(service.rotate("shop", "b", overlap=60))
    other, edge_wide = service.create("other", "a"), service.create("*", "a")
    assert service.revoke_all("shop") == 3
    assert [verdict(service, token) for token in minted] == ["revoked"] * 3
    assert verdict(service, other, "other") == "good"
    assert verdict(service, edge_wide) == "good"
    service.create("shop", "a")
    assert [verdict(service, token) for token in minted] == ["revoked"] * 3


# Rotate


def test_rotation_keeps_all_but_the_secret(service: TokenService, clock: Clock) -> None:
    old = service.create("shop", "ci", expires=9000.0, scopes=["mcp"], rate="5/s")
    clock.now = 2000.0
    new = service.rotate("shop", "ci")
    kept = ("function", "name", "expires", "scopes", "rate", "lineage")
    assert [getattr(new.token, field) for field in kept] == [
        getattr(old.token, field) for field in kept
    ]
    assert new.secret != old.secret
    assert new.token.id != old.token.id
    assert new.token.created == 2000.0
    assert new.token.hint == new.secret[7:11]
    assert (verdict(service, old), verdict(service, new)) == ("expired", "good")
    assert shown(service) == ["ci"]


def test_the_old_secret_lives_for_the_overlap(service: TokenService, clock: Clock) -> None:
    old = service.create("shop", "ci")
    new = service.rotate("shop", "ci", overlap=60)
    assert shown(service) == ["ci~old", "ci"]
    clock.now = 1059.9
    assert (verdict(service, old), verdict(service, new)) == ("good", "good")
    clock.now = 1060.0
    assert (verdict(service, old), verdict(service, new)) == ("expired", "good")
    assert shown(service) == ["ci"]


def test_an_overlap_does_not_outlive_the_tokens_own_expiry(
    service: TokenService, clock: Clock
) -> None:
    old = service.create("shop", "ci", expires=1030.0)
    service.rotate("shop", "ci", overlap=60)
    clock.now = 1030.0
    assert verdict(service, old) == "expired"


def test_lineage_goes_through_every_rotation(service: TokenService) -> None:
    first = service.create("shop", "ci")
    service.rotate("shop", "ci", overlap=60)
    last = service.rotate("shop", "ci", overlap=60)
    assert last.token.lineage == first.token.id
    assert {token.lineage for token in service.list("shop")} == {first.token.id}


def test_a_name_shared_by_several_old_secrets_is_ambiguous(service: TokenService) -> None:
    first = service.create("shop", "ci")
    second = service.rotate("shop", "ci", overlap=60)
    service.rotate("shop", "ci", overlap=60)
    with pytest.raises(AmbiguousToken) as refused:
        service.revoke("shop", "ci~old")
    assert first.token.id in str(refused.value)
    assert second.token.id in str(refused.value)


def test_a_page_of_the_list_is_full_as_long_as_more_follow(service: TokenService) -> None:
    made = [service.create("shop", f"t{number}").token for number in range(12)]
    for token in made[2:9]:
        service.revoke("shop", token.id)
    left = [token.name for token in (*made[:2], *made[9:])]
    assert shown(service) == left
    paged: list[Token] = []
    while page := service.list("shop", after=paged[-1].id if paged else None, limit=2):
        paged += page
        assert len(page) == 2 or len(paged) == len(left)
    assert [token.name for token in paged] == left
    after_a_revoked_one = service.list("shop", after=made[5].id, limit=1)
    assert [token.name for token in after_a_revoked_one] == [made[9].name]


def test_an_old_secret_is_revoked_alone(service: TokenService) -> None:
    old = service.create("shop", "ci")
    new = service.rotate("shop", "ci", overlap=60)
    service.revoke("shop", "ci~old")
    assert (verdict(service, old), verdict(service, new)) == ("revoked", "good")


def test_revoking_a_token_leaves_no_older_secret_of_it_alive(service: TokenService) -> None:
    old = service.create("shop", "ci")
    new = service.rotate("shop", "ci", overlap=60)
    bystander = service.create("shop", "other")
    service.revoke("shop", new.token.id)
    assert (verdict(service, old), verdict(service, new)) == ("revoked", "revoked")
    assert verdict(service, bystander) == "good"


@pytest.mark.parametrize("state", ["rotated out", "revoked", "expired"])
def test_what_is_over_cannot_be_rotated(service: TokenService, clock: Clock, state: str) -> None:
    minted = service.create("shop", "ci", expires=2000.0)
    if state == "rotated out":
        service.rotate("shop", "ci", overlap=60)
    elif state == "revoked":
        service.revoke("shop", "ci")
    else:
        clock.now = 2000.0
    with pytest.raises(TokenEnded, match=state):
        service.rotate("shop", minted.token.id)


@pytest.mark.parametrize("overlap", [-1.0, float("nan"), float("inf")])
def test_an_overlap_that_cannot_be_is_refused(service: TokenService, overlap: float) -> None:
    old = service.create("shop", "ci")
    with pytest.raises(InvalidToken, match="overlap"):
        service.rotate("shop", "ci", overlap)
    assert verdict(service, old) == "good"


def test_of_many_rotations_at_once_by_id_exactly_one_wins(service: TokenService) -> None:
    minted = service.create("shop", "ci")
    assert winners(20, lambda: service.rotate("shop", minted.token.id)) == 1
    assert shown(service) == ["ci"]


# Last use, secrecy


def test_last_use_comes_in_batches(service: TokenService) -> None:
    one, two = service.create("shop", "one"), service.create("shop", "two")
    assert [token.last_used for token in service.list("shop")] == [None, None]
    service.touch({one.token.id: 1100.0, two.token.id: 1200.0})
    service.touch({})
    assert [token.last_used for token in service.list("shop")] == [1100.0, 1200.0]
    service.revoke("shop", "one")
    service.rotate("shop", "two")
    assert [token.last_used for token in service.list("shop")] == [None]


def test_no_secret_and_no_digest_is_in_what_is_printed(
    service: TokenService, access: AccessService
) -> None:
    minted, managing = service.create("shop", "default"), access.create("ci")
    printed = repr([minted, minted.token, service.list("shop"), managing, access.list()])
    printed += str(minted) + repr(service.verify(minted.secret, "shop"))
    for text in (minted.secret, managing.secret):
        assert text not in printed
        assert text[12:] not in printed
        assert secret.digest(text).hex() not in printed
        assert repr(secret.digest(text)) not in printed


def test_no_error_repeats_a_secret_that_stands_in_the_wrong_place(
    service: TokenService, access: AccessService
) -> None:
    text = service.create("shop", "default").secret
    attempts: list[Callable[[], object]] = [
        lambda: service.create("shop", text),
        lambda: service.create("shop", f"my {text}"),
        lambda: service.create("shop", "x", scopes=[text]),
        lambda: service.create("shop", "x", scopes=[f"tool:{text}"]),
        lambda: service.create("shop", "x", scopes=["x" * 2000 + text]),
        lambda: service.create("shop", "x", rate=text),
        lambda: service.revoke("shop", text),
        lambda: service.revoke("shop", "x" * 40 + text),
        lambda: service.revoke(text, "shop"),
        lambda: service.rotate("shop", text),
        lambda: access.revoke(text),
        lambda: access.create(text),
    ]
    for attempt in attempts:
        with pytest.raises(TokenError) as refused:
            attempt()
        assert text[12:30] not in str(refused.value)
        assert text[12:30] not in repr(refused.value)


# Access tokens


def test_an_access_token_manages_until_it_is_revoked(access: AccessService, clock: Clock) -> None:
    minted = access.create("ci")
    assert minted.secret.startswith("jfn_pat_" + minted.token.hint)
    assert access.verify(minted.secret) == minted.token
    assert access.list() == [minted.token]
    access.touch({minted.token.id: 1500.0})
    assert access.list()[0].last_used == 1500.0
    clock.now = 2000.0
    revoked = access.revoke("ci")
    assert (revoked.id, revoked.revoked) == (minted.token.id, 2000.0)
    assert access.verify(minted.secret) == Refused("revoked")
    assert access.list() == []


def test_an_access_token_calls_no_function_and_a_runtime_token_manages_nothing(
    access: AccessService, service: TokenService
) -> None:
    managing, calling = access.create("ci"), service.create("shop", "default")
    assert service.verify(managing.secret, "shop") == Refused("malformed")
    assert access.verify(calling.secret) == Refused("malformed")
    assert access.verify(secret.mint(os.urandom, secret.ACCESS)) == Refused("unknown")


def test_access_tokens_have_unique_names(access: AccessService) -> None:
    minted = access.create("ci")
    with pytest.raises(NameTaken):
        access.create("ci")
    access.revoke(minted.token.id)
    assert access.create("ci").token.name == "ci"


def test_an_access_token_is_revoked_once(access: AccessService) -> None:
    minted = access.create("ci")
    assert winners(20, lambda: access.revoke(minted.token.id)) == 1
    with pytest.raises(TokenEnded):
        access.revoke(minted.token.id)
    with pytest.raises(UnknownToken):
        access.revoke("ci")


def test_access_tokens_come_oldest_first(stores: tuple[TokenStore, AccessStore]) -> None:
    store = stores[1]
    late, early = AccessToken("pat_2", "b", "h", 2.0), AccessToken("pat_1", "a", "h", 1.0)
    store.add(b"2" * 32, late)
    store.add(b"1" * 32, early)
    assert store.tokens() == [early, late]
