"""What a handler knows beside its input: who calls, by what, its secrets, its log.

Names are Python's; those that the platform documents in camelCase work too.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from edge.sdk.lines import Level, line
from edge.sdk.requests import Request
from edge.sdk.webhooks import (
    HMAC_HEADER,
    MAX_AGE,
    WebhookVerificationError,
    verify_github,
    verify_hmac,
    verify_meta,
    verify_shopify,
    verify_stripe,
)

Kind = Literal["http", "cron", "mcp"]

STRIPE_WEBHOOK_SECRET = "STRIPE_WEBHOOK_SECRET"
SHOPIFY_WEBHOOK_SECRET = "SHOPIFY_WEBHOOK_SECRET"
META_APP_SECRET = "META_APP_SECRET"
GITHUB_WEBHOOK_SECRET = "GITHUB_WEBHOOK_SECRET"
HMAC_WEBHOOK_SECRET = "WEBHOOK_SECRET"


@dataclass(frozen=True, slots=True)
class Trigger:
    """What made the function run.

    Attributes:
        type: a request over HTTP, a schedule, or a tool call.
        cron: the schedule's expression, as it was written.
        cron_name: its name, if it has one.
        cron_run: the id of this run, `run_…`.
    """

    type: Kind = "http"
    cron: str | None = None
    cron_name: str | None = None
    cron_run: str | None = None

    @property
    def cronName(self) -> str | None:  # noqa: N802
        """The schedule's name, if it has one."""
        return self.cron_name


class Env(Mapping[str, str]):
    """The function's secrets by name, and nothing else of the environment."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        """With these secrets."""
        self._values = dict(values or {})

    def __getitem__(self, name: str) -> str:
        """A secret.

        Raises:
            KeyError: it is not set.
        """
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        """The names."""
        return iter(self._values)

    def __len__(self) -> int:
        """How many are set."""
        return len(self._values)

    def __repr__(self) -> str:
        """The names alone."""
        return f"Env({', '.join(self._values)})"

    def has(self, name: str) -> bool:
        """Whether a secret is set."""
        return name in self._values

    def to_object(self) -> dict[str, str]:
        """All of them."""
        return dict(self._values)

    toObject = to_object  # noqa: N815


@dataclass(frozen=True, slots=True)
class Context:
    """What a handler knows beside its input.

    Attributes:
        function: its slug.
        request_id: of this request; in the log, and in the answer's `X-Request-Id`.
        path: decoded, as the function sees it.
        params: the parameters of `config.path`.
        query: the parameters of the query; of one that repeats, the last.
        env: the function's secrets.
        token_id, token_name: the runtime token of the caller, if it sent one.
        bot_id: `botId` of the schedule.
        request: the request itself.
    """

    function: str
    request_id: str
    method: str = "GET"
    path: str = "/"
    params: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    trigger: Trigger = field(default_factory=Trigger)
    env: Env = field(default_factory=Env)
    token_id: str | None = None
    token_name: str | None = None
    bot_id: str | None = None
    request: Request = field(default_factory=Request, repr=False)
    write: Callable[[str], None] = field(default=print, repr=False)

    @property
    def is_http(self) -> bool:
        """Whether a request over HTTP made it run."""
        return self.trigger.type == "http"

    @property
    def is_cron(self) -> bool:
        """Whether a schedule made it run."""
        return self.trigger.type == "cron"

    @property
    def is_mcp(self) -> bool:
        """Whether a tool call made it run."""
        return self.trigger.type == "mcp"

    @property
    def functionSlug(self) -> str:  # noqa: N802
        """The function's slug."""
        return self.function

    @property
    def requestId(self) -> str:  # noqa: N802
        """The id of this request."""
        return self.request_id

    @property
    def tokenId(self) -> str | None:  # noqa: N802
        """The id of the caller's token."""
        return self.token_id

    @property
    def tokenName(self) -> str | None:  # noqa: N802
        """The name of the caller's token."""
        return self.token_name

    @property
    def botId(self) -> str | None:  # noqa: N802
        """`botId` of the schedule."""
        return self.bot_id

    isHttp, isCron, isMcp = is_http, is_cron, is_mcp  # noqa: N815

    def log(self, *args: Any, level: Level = "info", **fields: Any) -> None:
        """Write one line to the function's log, at once: what is said, and fields by name."""
        about = {"requestId": self.request_id, "function": self.function}
        self.write(line(args, level, about, fields))

    def verify_stripe(
        self, *, secret: str = STRIPE_WEBHOOK_SECRET, max_age: float = MAX_AGE
    ) -> None:
        """Hold the request to Stripe's signature; `secret` is the name of the secret.

        Raises:
            WebhookVerificationError: it is not signed so.
        """
        verify_stripe(self.request, self._secret(secret), max_age=max_age)

    def verify_shopify(self, *, secret: str = SHOPIFY_WEBHOOK_SECRET) -> None:
        """Hold the request to Shopify's signature.

        Raises:
            WebhookVerificationError: it is not signed so.
        """
        verify_shopify(self.request, self._secret(secret))

    def verify_meta(self, *, secret: str = META_APP_SECRET) -> None:
        """Hold the request to Meta's signature (WhatsApp, Messenger, Instagram).

        Raises:
            WebhookVerificationError: it is not signed so.
        """
        verify_meta(self.request, self._secret(secret))

    def verify_github(self, *, secret: str = GITHUB_WEBHOOK_SECRET) -> None:
        """Hold the request to GitHub's signature.

        Raises:
            WebhookVerificationError: it is not signed so.
        """
        verify_github(self.request, self._secret(secret))

    def verify_hmac(
        self,
        *,
        secret: str = HMAC_WEBHOOK_SECRET,
        header: str = HMAC_HEADER,
        prefix: str = "",
        algorithm: Literal["sha1", "sha256", "sha512"] = "sha256",
        timestamp_header: str | None = None,
        max_age: float = MAX_AGE,
    ) -> None:
        """Hold the request to a signature of your own making; see `webhooks.verify_hmac`.

        Raises:
            WebhookVerificationError: it is not signed so.
        """
        verify_hmac(
            self.request,
            self._secret(secret),
            header=header,
            prefix=prefix,
            algorithm=algorithm,
            timestamp_header=timestamp_header,
            max_age=max_age,
        )

    verifyStripe, verifyShopify, verifyMeta = verify_stripe, verify_shopify, verify_meta  # noqa: N815
    verifyGithub, verifyHmac = verify_github, verify_hmac  # noqa: N815

    def _secret(self, name: str) -> str:
        if not self.env.get(name):
            raise WebhookVerificationError("missing_secret", name)
        return self.env[name]
