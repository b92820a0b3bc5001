"""Envoy, Caddy and Traefik, as they come from PyPI, each with the check that it offers itself."""

import json
from collections.abc import Sequence
from typing import Any

from tests.benchmarks.opponents.model import HTTP2, REFUSAL, USED, Launch, Opponent, Programs, SetUp

TYPES = "type.googleapis.com/envoy.extensions"
_MANAGER = f"{TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager"


def envoy(setup: SetUp, programs: Programs) -> Launch:
    """Envoy with its `api_key_auth` filter."""
    return start_envoy(setup, programs, envoy_config(setup))


def start_envoy(setup: SetUp, programs: Programs, config: dict[str, Any]) -> Launch:
    """Envoy with a configuration."""
    path = setup.write("envoy.json", json.dumps(config))
    flags = ["--concurrency", str(setup.workers), "--disable-hot-restart", "-l", "error"]
    return Launch([str(programs["envoy"].path), "-c", str(path), *flags])


def envoy_config(setup: SetUp, filters: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    """Envoy's configuration; `filters` come between the check of the token and the router."""
    listener = {
        "name": "edge",
        "address": _address(setup.port),
        "filter_chains": [{"filters": [_envoy_manager(setup, filters)], **_envoy_tls(setup)}],
    }
    limits = {"max_connections": 4096, "max_pending_requests": 4096, "max_requests": 4096}
    cluster = {
        "name": "function",
        "type": "STATIC",
        "connect_timeout": "5s",
        "circuit_breakers": {"thresholds": [limits]},
        "load_assignment": {
            "cluster_name": "function",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(setup.upstream)}}]}],
        },
    }
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _envoy_manager(setup: SetUp, filters: Sequence[dict[str, Any]]) -> dict[str, Any]:
    keys = [{"key": token, "client": str(n)} for n, token in enumerate(setup.tokens)]
    check = {
        "@type": f"{TYPES}.filters.http.api_key_auth.v3.ApiKeyAuth",
        "credentials": keys,
        "key_sources": [{"header": "x-jelou-token"}],
        "forwarding": {"hide_credentials": True},
    }
    router = {"@type": f"{TYPES}.filters.http.router.v3.Router"}
    route = {"match": {"prefix": "/"}, "route": {"cluster": "function", "timeout": "0s"}}
    hosts = [{"name": "all", "domains": ["*"], "routes": [route]}]
    manager = {
        "@type": _MANAGER,
        "stat_prefix": "edge",
        "codec_type": "AUTO",
        "http_filters": [
            {"name": "envoy.filters.http.api_key_auth", "typed_config": check},
            *filters,
            {"name": "envoy.filters.http.router", "typed_config": router},
        ],
        "route_config": {"virtual_hosts": hosts},
    }
    return {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}


def _envoy_tls(setup: SetUp) -> dict[str, Any]:
    if setup.tls is None:
        return {}
    certificate = {
        "certificate_chain": {"filename": str(setup.tls.certificate)},
        "private_key": {"filename": str(setup.tls.key)},
    }
    common = {"tls_certificates": [certificate], "alpn_protocols": ["h2", "http/1.1"]}
    context = {
        "@type": f"{TYPES}.transport_sockets.tls.v3.DownstreamTlsContext",
        "common_tls_context": common,
    }
    return {"transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": context}}


_CADDY = """
{{
  admin off
  auto_https off
  persist_config off
  log {{
    level ERROR
  }}
}}
{scheme}://:{port} {{
  bind 127.0.0.1
  {tls}
  @known {{
    {known}
  }}
  handle @known {{
    reverse_proxy 127.0.0.1:{upstream} {{
      header_up -X-Jelou-Token
      flush_interval -1
      transport http {{
        keepalive_idle_conns_per_host 1024
      }}
    }}
  }}
  handle {{
    header Content-Type application/json
    respond `{refusal}` 401
  }}
}}
"""


def caddy(setup: SetUp, programs: Programs) -> Launch:
    """Caddy with its `header` matcher."""
    tls = setup.tls
    known = "\n    ".join(f"header X-Jelou-Token {token}" for token in setup.tokens[:USED])
    text = _CADDY.format(
        scheme="https" if tls else "http",
        port=setup.port,
        tls=f"tls {tls.certificate} {tls.key}" if tls else "",
        known=known,
        upstream=setup.upstream,
        refusal=REFUSAL,
    )
    config = setup.write("Caddyfile", text)
    home = str(setup.folder)
    env = {"HOME": home, "XDG_CONFIG_HOME": home, "XDG_DATA_HOME": home}
    command = [str(programs["caddy"].path), "run", "--adapter", "caddyfile"]
    return Launch([*command, "--config", str(config)], env)


def traefik(setup: SetUp, programs: Programs) -> Launch:
    """Traefik with its `Header` rule; what no rule lets in is refused by an address list."""
    rule = " || ".join(f"Header(`X-Jelou-Token`, `{token}`)" for token in setup.tokens[:USED])
    tls: dict[str, Any] = {"tls": {}} if setup.tls else {}
    refused = {"sourceRange": ["192.0.2.1/32"], "rejectStatusCode": 401}
    http = {
        "routers": {
            "known": {"rule": rule, "service": "function", "priority": 1000, **tls},
            "others": {
                "rule": "PathPrefix(`/`)",
                "service": "function",
                "priority": 1,
                "middlewares": ["refuse"],
                **tls,
            },
        },
        "middlewares": {"refuse": {"ipAllowList": refused}},
        "services": {
            "function": {
                "loadBalancer": {
                    "servers": [{"url": f"http://127.0.0.1:{setup.upstream}"}],
                    "responseForwarding": {"flushInterval": "1ms"},
                }
            }
        },
    }
    config = setup.write("dynamic.yml", json.dumps({"http": http, **_traefik_tls(setup)}))
    flags = [
        f"--entryPoints.edge.address=127.0.0.1:{setup.port}",
        f"--providers.file.filename={config}",
        "--serversTransport.maxIdleConnsPerHost=1024",
        "--log.level=ERROR",
        "--global.sendAnonymousUsage=false",
        "--global.checkNewVersion=false",
    ]
    return Launch([str(programs["traefik"].path), *flags])


def _traefik_tls(setup: SetUp) -> dict[str, Any]:
    if setup.tls is None:
        return {}
    files = {"certFile": str(setup.tls.certificate), "keyFile": str(setup.tls.key)}
    return {"tls": {"stores": {"default": {"defaultCertificate": files}}}}


OPPONENTS = (
    Opponent("Envoy", "api_key_auth, 1,000 keys", False, ("envoy",), envoy, HTTP2),
    Opponent("Caddy", f"header matcher, {USED} tokens", False, ("caddy",), caddy, HTTP2),
    Opponent("Traefik", f"Header rule, {USED} tokens", False, ("traefik",), traefik, HTTP2),
)
