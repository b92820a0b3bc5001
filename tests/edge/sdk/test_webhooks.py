"""Signatures of webhooks; what they should be was computed with openssl, not with this code."""

from collections.abc import Callable
from typing import Any

import pytest

from edge.sdk import Context, Request, WebhookVerificationError, define
from edge.sdk.testing import call, create_mock_request
from edge.sdk.webhooks import (
    verify_github,
    verify_hmac,
    verify_meta,
    verify_shopify,
    verify_stripe,
)

NOW = 1_700_000_000
NEW = "f3ac0c93c23f69e2e6046d7f0e2c82c93d0403de0f8651457189ab70fbbfcaae"
OLD = "ef1b1b7e4b312671a75ef2a03e10529f7834a6528a49db77ad6568c8c8017843"
SHA512 = (
    "5974e3e1f0465384d9c75e64ed6c33d977029bc1e661cf323318ef155bcfaa88"
    "8c31923ffdc911b72ae3fc1a89bfbcd494b10770e48f9d0491b8a52b2b96fde9"
)
HELLO = b"Hello, World!"

Check = Callable[[Request], None]


def signed(body: bytes, **fields: str) -> Request:
    headers = {name.replace("_", "-"): value for name, value in fields.items()}
    return create_mock_request(method="POST", body=body, headers=headers)


def stripe(header: str, secret: Any = "whsec_new", now: float = NOW) -> None:
    verify_stripe(signed(b'{"id":"evt_1"}', Stripe_Signature=header), secret, now=now)


GITHUB = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
META = "sha256=448996459c817284985b414ef66d025acde8d206a5e002ab5b1cb2bb6771550f"
SHOPIFY = "wy76624z4KJ8BnoehWMER3bDGBzOAnSxYMKAM6HhW9I="
BASE64 = "sY0n8/Axs+izfD/zFdzm4ZAnDbhG+EvEzdnoIkSnbA4="

GOOD: dict[str, tuple[Request, Check]] = {
    "github": (
        signed(HELLO, X_Hub_Signature_256=GITHUB),
        lambda r: verify_github(r, "It's a Secret to Everybody"),
    ),
    "meta": (
        signed(b'{"object":"page"}', X_Hub_Signature_256=META),
        lambda r: verify_meta(r, "meta_app"),
    ),
    "shopify": (
        signed(b'{"id":1}', X_Shopify_Hmac_Sha256=SHOPIFY),
        lambda r: verify_shopify(r, "shpss_1"),
    ),
    "stripe": (
        signed(b'{"id":"evt_1"}', Stripe_Signature=f"t={NOW},v1={NEW}"),
        lambda r: verify_stripe(r, "whsec_new", now=NOW),
    ),
    "hmac in base64": (
        signed(HELLO, X_Webhook_Signature=BASE64),
        lambda r: verify_hmac(r, "own"),
    ),
    "hmac, sha1, a field of its own": (
        signed(HELLO, X_Sig="sha1=c9ddf70b4227a43cdb7eb1310ee861a8b2930df2"),
        lambda r: verify_hmac(r, "own", header="X-Sig", prefix="sha1=", algorithm="sha1"),
    ),
    "hmac with a moment": (
        signed(HELLO, X_Webhook_Signature=SHA512, X_Time=str(NOW)),
        lambda r: verify_hmac(
            r, "own", algorithm="sha512", timestamp_header="X-Time", now=NOW + 300
        ),
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_signed_request_passes(name: str) -> None:
    request, check = GOOD[name]

    check(request)


@pytest.mark.parametrize("name", GOOD)
def test_another_body_does_not(name: str) -> None:
    request, check = GOOD[name]
    other = Request("POST", "/", "", request.headers, request.body + b" ")

    with pytest.raises(WebhookVerificationError) as refused:
        check(other)
    assert refused.value.code == "mismatch"


@pytest.mark.parametrize("name", GOOD)
def test_an_unsigned_request_does_not(name: str) -> None:
    request, check = GOOD[name]

    with pytest.raises(WebhookVerificationError) as refused:
        check(Request("POST", "/", "", body=request.body))
    assert refused.value.code == "missing_signature"


@pytest.mark.parametrize(
    "secret", ["whsec_old,whsec_new", "whsec_old, whsec_new", ["whsec_old", "whsec_new"]]
)
@pytest.mark.parametrize("signature", [NEW, OLD])
def test_old_and_new_secret_count_together(secret: Any, signature: str) -> None:
    stripe(f"t={NOW},v1={signature}", secret)


def test_one_of_several_signatures_is_enough() -> None:
    stripe(f"t={NOW},v1={OLD},v0={OLD}, v1={NEW}")


@pytest.mark.parametrize(
    ("header", "secret", "now", "code"),
    [
        (f"t={NOW},v1={OLD}", "whsec_new", NOW, "mismatch"),
        (f"t={NOW},v1={NEW}", "whsec_new", NOW + 301, "expired"),
        (f"t={NOW},v1={NEW}", "whsec_new", NOW - 301, "expired"),
        (f"t={NOW + 1},v1={NEW}", "whsec_new", NOW, "mismatch"),
        (f"v1={NEW}", "whsec_new", NOW, "malformed"),
        (f"t={NOW},t={NOW},v1={NEW}", "whsec_new", NOW, "malformed"),
        (f"t={NOW},v0={NEW}", "whsec_new", NOW, "malformed"),
        (f"t=soon,v1={NEW}", "whsec_new", NOW, "malformed"),
        (f"t=\u0661,v1={NEW}", "whsec_new", NOW, "malformed"),
        (f"t={NOW},v1=zz", "whsec_new", NOW, "mismatch"),
        (f"t={NOW},v1=", "whsec_new", NOW, "mismatch"),
        (f"t={NOW},v1={NEW}", "", NOW, "missing_secret"),
        (f"t={NOW},v1={NEW}", " , ", NOW, "missing_secret"),
        (f"t={NOW},v1={NEW}", [], NOW, "missing_secret"),
    ],
)
def test_what_is_wrong_has_a_code(header: str, secret: Any, now: float, code: str) -> None:
    with pytest.raises(WebhookVerificationError) as refused:
        stripe(header, secret, now)
    assert refused.value.code == code


def test_a_secret_appears_in_no_message() -> None:
    with pytest.raises(WebhookVerificationError) as refused:
        stripe(f"t={NOW},v1={OLD}")
    assert "whsec" not in str(refused.value)


def checked(verify: Callable[[Context], None], env: dict[str, str], request: Request) -> Any:
    def handler(input: Any, ctx: Context) -> str:
        verify(ctx)
        return "ok"

    fields = {name: request.headers[name] for name in request.headers if name != "host"}
    return call(define(handler=handler), body=request.body, headers=fields, env=env)


BY_CONTEXT: dict[str, tuple[Callable[[Context], None], str, str]] = {
    "github": (Context.verify_github, "GITHUB_WEBHOOK_SECRET", "It's a Secret to Everybody"),
    "meta": (Context.verifyMeta, "META_APP_SECRET", "meta_app"),
    "shopify": (Context.verifyShopify, "SHOPIFY_WEBHOOK_SECRET", "old,shpss_1"),
    "hmac in base64": (Context.verifyHmac, "WEBHOOK_SECRET", "own"),
}


@pytest.mark.parametrize("name", BY_CONTEXT)
def test_the_context_knows_request_and_secret(name: str) -> None:
    verify, secret, value = BY_CONTEXT[name]
    request = GOOD[name][0]

    assert checked(verify, {secret: value}, request).text == "ok"
    assert checked(verify, {secret: "other"}, request).status == 401


def test_uncaught_it_is_401_and_the_reason_is_in_the_log_alone() -> None:
    result = checked(Context.verifyStripe, {}, GOOD["stripe"][0])

    assert result.status == 401
    assert result.json()["message"] == "Webhook signature verification failed"
    assert "STRIPE_WEBHOOK_SECRET" in result.logs[0]["args"][0]
    assert result.logs[0]["args"][1] == {"code": "missing_secret"}


def test_stripes_age_is_judged_by_the_clock() -> None:
    result = checked(
        Context.verify_stripe, {"STRIPE_WEBHOOK_SECRET": "whsec_new"}, GOOD["stripe"][0]
    )

    assert (result.status, result.logs[0]["args"][1]) == (401, {"code": "expired"})
