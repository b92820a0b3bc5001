"""The public face for function authors: `from edge.sdk import define, app, response`."""

from edge.sdk.context import Context, Env, Trigger
from edge.sdk.defining import App, DefinitionError, Function, app, define
from edge.sdk.requests import Headers, Request
from edge.sdk.responses import Event, Response, response
from edge.sdk.webhooks import WebhookVerificationError

__all__ = [
    "App",
    "Context",
    "DefinitionError",
    "Env",
    "Event",
    "Function",
    "Headers",
    "Request",
    "Response",
    "Trigger",
    "WebhookVerificationError",
    "app",
    "define",
    "response",
]
