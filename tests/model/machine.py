"""The state machine: whatever is done to an edge, every answer is what the model says."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any, ClassVar, TypeVar

import hypothesis.strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)

from edge.admin.errors import AdminError
from edge.admin.operations import DeployRequest
from tests.model.driving import Driven
from tests.model.questions import (
    ADDRESSES,
    EDGE,
    EDGE_ITSELF,
    HOSTS,
    MADE_UP,
    SLUGS,
    TOOLS,
    Address,
    Question,
    made_up,
)
from tests.model.speaking import DOCUMENT, project_of
from tests.model.world import EDGE_WIDE, SESSION_AGE, Config, Function, Session, Token, World

T = TypeVar("T")
START = 4_000_000_000.0
"""When it is: far ahead of any wall's clock, so that time stands still until it is moved."""

ASKED = 6
"""Questions that are made up after each step; they are asked again after the next."""

RECENT = 8
"""Tokens and sessions that are asked about besides those of the step: the last ones made."""

SCOPES = (
    "http",
    "mcp",
    *(f"route:{tool.method} {tool.template}" for tool in TOOLS.values()),
    *(f"tool:{name}" for name in TOOLS),
    "tool:shop__getOrder",
)

slugs = st.sampled_from(SLUGS)
names = st.sampled_from(("default", "ana", "bob"))
spans = st.sampled_from((1, 30, 600, 86_400))
configs = st.builds(
    Config,
    public=st.booleans(),
    mcp=st.sampled_from((True, True, True, False)),
    open_routes=st.sampled_from((True, True, False)),
    methods=st.sampled_from((("GET", "POST"), ("GET", "POST"), ("GET",), ("POST",))),
    hosts=st.frozensets(st.sampled_from(HOSTS), max_size=1),
    tools=st.dictionaries(st.sampled_from(sorted(TOOLS)), st.booleans()).map(
        lambda tools: tuple(sorted(tools.items()))
    ),
    hidden=st.frozensets(st.sampled_from(sorted(TOOLS)), max_size=1),
)


class TrustMachine(RuleBasedStateMachine):
    """Steps of managing an edge, and requests after each.

    Attributes:
        counted: steps, questions, and answers of each status, of all machines.
    """

    counted: ClassVar[Counter[str]] = Counter()
    tokens = Bundle("tokens")
    sessions = Bundle("sessions")

    def __init__(self, edge: Driven) -> None:
        super().__init__()
        self.edge = edge
        self.world = World(START)
        self.edge.set_clock(START)
        self.asked: list[Question] = []
        self.touched: list[int] = []
        self.random = Random(0)

    @initialize(target=tokens, seed=st.integers(0, 2**32 - 1), one=configs, other=configs)
    def begin(self, seed: int, one: Config, other: Config) -> Any:
        """Deploy two functions; settle what is made up without Hypothesis."""
        self.random = Random(seed)
        other = replace(other, hosts=frozenset(HOSTS) - one.hosts)
        return multiple(self.deploy(SLUGS[0], one), self.deploy(SLUGS[1], other))

    # What is done.

    @rule(target=tokens, slug=slugs, config=configs)
    def deploy(self, slug: str, config: Config) -> Any:
        """Deploy, for the first time or anew."""
        request = DeployRequest(
            project=project_of(slug, config, self.edge.upstream), document=DOCUMENT
        )
        allowed = self.world.may_deploy(slug, config)
        made = self._done(allowed, lambda: self.edge.operations.deploy(request))
        if made is None:
            return multiple()
        assert made.changed == self.world.changes(slug, config)
        assert (made.token is not None) == (slug not in self.world.functions)
        if made.changed:
            self.world.deploy(slug, config, str(made.id))
        if made.token is None:
            return multiple()
        [first] = self.edge.operations.tokens(slug)
        return self._noted(Token(first.id, slug, "default", first.id), made.token)

    @rule(slug=slugs, which=st.none() | st.integers(0, 5))
    def rollback(self, slug: str, which: int | None) -> None:
        """Roll back, to what was before or to any version."""
        known = self.world.functions.get(slug)
        history = list(known.history) if known else ["dep_00000000"]
        wanted = None if which is None else history[which % len(history)]
        found = self.world.rolls_back_to(slug, wanted)
        made = self._done(found is not None, lambda: self.edge.operations.rollback(slug, wanted))
        if made is not None and found is not None and known is not None:
            assert made.id == found.id
            known.live = found

    @rule(slug=slugs)
    def delete(self, slug: str) -> None:
        """Delete a function."""
        self.touched += [n for n, t in enumerate(self.world.tokens) if t.function == slug][-3:]
        exists = slug in self.world.functions
        if self._done(exists, lambda: self.edge.operations.delete_function(slug)):
            self.world.delete(slug)

    @rule(
        target=tokens,
        function=st.sampled_from((*SLUGS, EDGE_WIDE)),
        name=names,
        scopes=st.frozensets(st.sampled_from(SCOPES), max_size=2),
        lives=st.none() | spans,
    )
    def create(self, function: str, name: str, scopes: frozenset[str], lives: int | None) -> Any:
        """Make a token."""
        allowed = self.world.may_create(function, name)
        made = self._done(
            allowed,
            lambda: self.edge.operations.create_token(
                function, name, expires_in=lives, scopes=tuple(sorted(scopes))
            ),
        )
        if made is None:
            return multiple()
        expires = None if lives is None else self.world.now + lives
        return self._noted(Token(made.id, function, name, made.id, scopes, expires), made.token)

    @rule(target=tokens, number=tokens, overlap=st.sampled_from((0, 0, 30, 600)))
    def rotate(self, number: int, overlap: int) -> Any:
        """Rotate a token."""
        old = self._about(number)
        made = self._done(
            self.world.may_rotate(old),
            lambda: self.edge.operations.rotate_token(old.function, old.id, overlap),
        )
        if made is None:
            return multiple()
        self.world.rotate(old, made.id, overlap)
        return self._secret(made.token)

    @rule(number=tokens)
    def revoke(self, number: int) -> None:
        """Revoke a token, good or expired."""
        token = self._about(number)
        operations = self.edge.operations
        if self._done(not token.revoked, lambda: operations.revoke_token(token.function, token.id)):
            self.world.revoke(token)

    @rule(seconds=st.sampled_from((1, 29, 30, 600, 86_400, SESSION_AGE)))
    def pass_time(self, seconds: int) -> None:
        """Let time pass, for tokens that end in it above all."""
        until = self.world.now + seconds
        for number in self.world.ending(until)[-2:]:
            self._about(number)
        self.world.now = until
        self.edge.set_clock(self.world.now)

    @rule(how=st.sampled_from(("ended", "killed", "a worker")))
    def restart(self, how: str) -> None:
        """End the edge and start it anew."""
        self.edge.restart(how)

    # What is asked.

    @rule(
        target=sessions,
        number=tokens,
        address=st.none() | st.sampled_from(ADDRESSES),
        named=st.sampled_from((True, True, False)),
    )
    def open_session(self, number: int, address: Address | None, named: bool) -> Any:
        """Shake hands where a token belongs or anywhere, with it or without."""
        home = _home_of(self.world.tokens[number].function)
        question = Question(address or home, "open", token=number if named else None)
        status = self.edge.open_session(question)
        assert status == self.world.answer(question).status, question
        self._count("open", status)
        if status != 200:
            return multiple()
        self.world.open_session(question)
        return len(self.world.sessions) - 1

    @rule(
        session=consumes(sessions),
        number=st.none() | tokens,
        own=st.sampled_from((True, True, False)),
    )
    def end_session(self, session: int, number: int | None, own: bool) -> None:
        """End a session, as its owner or as somebody else."""
        opened = self.world.sessions[session]
        address = _home_of(opened.place)
        token = self._owner(opened) if own else number
        question = Question(address, "end", token=token, session=session)
        self._ask([Question(address, "list", token=token, session=session)], again=True)
        [ended] = self._ask([question])
        opened.ended |= ended == 204

    @rule(session=sessions)
    def use_session(self, session: int) -> None:
        """Ask within a session as its owner, and go on asking."""
        opened = self.world.sessions[session]
        owner = self._owner(opened)
        self._ask(
            [Question(_home_of(opened.place), "list", token=owner, session=session)], again=True
        )

    @invariant()
    def every_answer_is_the_models(self) -> None:
        """Ask again what was asked before the step, and something new."""
        self.counted["steps"] += 1
        self._ask(self.asked[::-1])  # so that each connection is asked the same twice in a row
        self.asked = [self._made_up() for _ in range(ASKED)]
        self.touched = []
        self._ask(self.asked)

    def teardown(self) -> None:
        """End the edge."""
        self.edge.close()

    # How.

    def _ask(self, questions: list[Question], *, again: bool = False) -> list[int]:
        answers = self.edge.ask(questions)
        for question, answer in zip(questions, answers, strict=True):
            expected = self.world.answer(question)
            assert answer == expected, f"{question}: {answer}, where the model says {expected}"
            self._count(question.kind, answer.status)
        self.asked += questions if again else ()
        return [answer.status for answer in answers]

    def _about(self, number: int) -> Token:
        """A token that something is done to: asked with just before, and again just after."""
        token = self.world.tokens[number]
        self.touched += [n for n, t in enumerate(self.world.tokens) if t.lineage == token.lineage]
        places = [_home_of(token.function), self._somewhere()]
        self._ask(
            [made_up(self.random, place, n) for n in self.touched[-3:] for place in places],
            again=True,
        )
        return token

    def _made_up(self) -> Question:
        """Something about the tokens of this step, the last ones, or whoever may do something."""
        sessions = range(len(self.world.sessions))[-RECENT:]
        if sessions and self.random.random() < 0.2:
            session = self.random.choice(sessions)
            opened = self.world.sessions[session]
            return made_up(self.random, _home_of(opened.place), self._owner(opened), session)
        address = self._somewhere()
        recent = range(len(self.world.tokens))[-RECENT:]
        good = self.world.good_at(address)[-RECENT:]
        token = self.random.choice([None, MADE_UP, *recent, *self.touched * 3, *good * 2])
        session = self.random.choice([None] * 9 + [*sessions])
        return made_up(self.random, address, token, session)

    def _somewhere(self) -> Address:
        """An address, sooner than not one at which there is something."""
        present = [a for a in ADDRESSES if isinstance(self.world.at(a), Function)]
        return self.random.choice([*present * 6, *ADDRESSES])

    def _done(self, allowed: bool, operation: Callable[[], T]) -> T | None:
        """What an operation gives; None if it is refused, as it has to be then."""
        refused = None
        try:
            made = operation()
        except AdminError as error:
            made, refused = None, error
        assert allowed == (refused is None), refused or made
        self.counted["refused operations"] += refused is not None
        return made

    def _noted(self, token: Token, secret: str) -> int:
        self.world.tokens.append(token)
        return self._secret(secret)

    def _secret(self, secret: str) -> int:
        self.edge.tokens.append(secret)
        self.touched.append(len(self.edge.tokens) - 1)
        return len(self.edge.tokens) - 1

    def _owner(self, session: Session) -> int | None:
        """The newest token of a session's lineage."""
        numbers = [n for n, t in enumerate(self.world.tokens) if t.lineage == session.lineage]
        return numbers[-1] if numbers else None

    def _count(self, kind: str, status: int) -> None:
        self.counted["questions"] += 1
        self.counted[f"{kind} {status}"] += 1


def _home_of(place: str) -> Address:
    return EDGE_ITSELF if place in (EDGE, EDGE_WIDE) else Address("host", place)
