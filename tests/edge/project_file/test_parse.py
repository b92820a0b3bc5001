"""Project files: what an author may write, and what is said about everything else."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.functions import (
    Cors,
    Cron,
    DocumentSource,
    FunctionConfig,
    McpSettings,
    Project,
    Tls,
    ToolSettings,
    Upstream,
)
from edge.project_file.parse import (
    MAX_FILE,
    Parsed,
    ProjectError,
    load_project,
    parse_project,
    project_for_url,
    render_project,
)
from tokens import secret
from tokens.paths import PathTemplate
from tokens.rate import Rate

CONTRACT = """\
{ "function": "my-function", "description": "Finds a customer by phone", "upstream": "http://127.0.0.1:9000",
  "config": { "public": false, "mcp": true, "methods": ["GET","POST","PUT","PATCH","DELETE"], "path": "*", "timeout": 30000,
              "cors": {"origin": "*"}, "limits": {"body": 10485760},
              "cron": [{"expression": "0 9 * * *", "timezone": "America/Guayaquil", "name": "daily"}] },
  "openapi": "/openapi.json", "hosts": [], "tools": {} }
"""  # noqa: E501

FULL: dict[str, Any] = {
    "$schema": "https://jelou.ai/schemas/jelou.json",
    "id": "func_01",
    "function": "shop",
    "description": "Sells",
    "upstream": {
        "url": ["https://a.example/base/", "http://[::1]:9000", "unix:/run/shop.sock"],
        "headers": {"Authorization": "Basic eA=="},
        "tls": {
            "verify": False,
            "caFile": "/etc/ca.pem",
            "certFile": "/etc/c.pem",
            "keyFile": "/etc/k.pem",
            "serverName": "shop.internal",
        },
        "preserveHost": True,
        "rewrite": False,
    },
    "openapi": "https://docs.example/shop.json?v=1",
    "openapiRefresh": "2h",
    "hosts": ["API.Shop.example.", "api.shop.example", "shop.example"],
    "config": {
        "public": True,
        "mcp": {
            "origins": ["https://app.example:8443"],
            "forwardHeaders": ["Accept-Language", "accept-language"],
            "stream": "concat",
        },
        "methods": ["POST", "PURGE", "POST"],
        "path": "/users/:id/emails",
        "timeout": 120000,
        "streamIdle": 1000,
        "cors": {
            "origin": ["https://app.example", "http://localhost:3000"],
            "methods": ["POST"],
            "headers": ["X-A"],
            "credentials": True,
            "maxAge": 0,
        },
        "limits": {"body": None, "rate": "1000/m"},
        "cron": [
            {
                "expression": "*/5 8-18/2 1,15 JAN,6 MON-FRI",
                "timezone": "Europe/Berlin",
                "name": "n" * 64,
                "botId": "b" * 128,
                "overlap": "allow",
                "grace": "5m",
            }
        ],
        "openRoutes": False,
        "acceptTokensIn": ["X-Jelou-Token", "authorization", "x-api-key"],
        "oauth": "function",
    },
    "tools": {
        "renamed": {
            "operationId": "a.b",
            "description": "d" * 1024,
            "title": "T",
            "annotations": {"readOnlyHint": True, "title": "T"},
            "icons": [{"src": "https://a.example/i.png", "sizes": ["48x48"], "theme": "dark"}],
            "config": {"public": False, "mcp": False, "methods": ["GET"], "timeout": 1},
        },
        "own": {
            "method": "GET",
            "path": "/own/{id}",
            "inputSchema": {"type": "object", "properties": {"id": {"type": "string"}}},
            "config": {"cron": [{"expression": "0 0 * * 7"}]},
        },
    },
}


def parsed(**keys: Any) -> Parsed:
    """A small file with other keys."""
    value = {"function": "shop", "upstream": "http://127.0.0.1:9000", **keys}
    return parse_project(json.dumps({k: v for k, v in value.items() if v is not ...}))


def accepted(**keys: Any) -> Project:
    """The project of a small file with other keys."""
    result = parsed(**keys)
    assert result.problems == ()
    assert result.project is not None
    return result.project


def told(**keys: Any) -> list[tuple[str, str]]:
    """Keys and messages of the problems of a small file with other keys."""
    result = parsed(**keys)
    assert (result.project is None) == bool(result.problems)
    return [(problem.key, problem.message) for problem in result.problems]


def test_the_contracts_example_is_a_project() -> None:
    result = parse_project(CONTRACT)
    assert result.problems == ()
    assert result.project is not None
    project = result.project
    assert project.slug == "my-function"
    assert project.description == "Finds a customer by phone"
    assert project.upstreams == (Upstream("http", "127.0.0.1", 9000),)
    assert project.document == DocumentSource("path", "/openapi.json", declared=True)
    daily = Cron("0 9 * * *", "America/Guayaquil", "daily")
    assert project.config == FunctionConfig(cron=(daily,))
    assert result.warnings == ()


def test_the_smallest_file_has_every_default() -> None:
    project = accepted()
    text = '{"function":"shop","upstream":"http://127.0.0.1:9000"}'
    assert project == Project("shop", (Upstream("http", "127.0.0.1", 9000),), text=text)


def test_every_key_arrives_where_it_belongs() -> None:
    result = parse_project(json.dumps(FULL))
    assert result.problems == ()
    assert result.project is not None
    tls = Tls(False, "/etc/ca.pem", "/etc/c.pem", "/etc/k.pem", "shop.internal")
    schema = FULL["tools"]["own"]["inputSchema"]
    icon = FULL["tools"]["renamed"]["icons"][0]
    assert result.project == Project(
        "shop",
        (
            Upstream("https", "a.example", 443, base="/base", tls=tls),
            Upstream("http", "::1", 9000, tls=tls),
            Upstream("unix", socket="/run/shop.sock", tls=tls),
        ),
        description="Sells",
        headers=(("Authorization", "Basic eA=="),),
        preserve_host=True,
        rewrite=False,
        document=DocumentSource("url", "https://docs.example/shop.json?v=1", True, 7200),
        hosts=("api.shop.example", "shop.example"),
        tools=(
            ToolSettings(
                "own",
                method="GET",
                path="/own/{id}",
                input_schema=schema,
                cron=(Cron("0 0 * * 7"),),
            ),
            ToolSettings(
                "renamed",
                "a.b",
                description="d" * 1024,
                title="T",
                annotations={"readOnlyHint": True, "title": "T"},
                icons=(icon,),
                public=False,
                mcp=False,
                methods=("GET",),
                timeout=1,
            ),
        ),
        config=FunctionConfig(
            public=True,
            mcp=McpSettings(
                origins=("https://app.example:8443",),
                forward_headers=("accept-language",),
                stream="concat",
            ),
            methods=("POST", "PURGE"),
            path=PathTemplate("/users/:id/emails"),
            timeout=120_000,
            stream_idle=1000,
            cors=Cors(
                ("https://app.example", "http://localhost:3000"), ("POST",), ("X-A",), True, 0
            ),
            body_limit=None,
            rate=Rate(1000, 60),
            cron=(
                Cron(
                    "*/5 8-18/2 1,15 JAN,6 MON-FRI",
                    "Europe/Berlin",
                    "n" * 64,
                    "b" * 128,
                    "allow",
                    300,
                ),
            ),
            open_routes=False,
            accept_tokens_in=("x-jelou-token", "authorization", "x-api-key"),
            oauth=True,
        ),
        text=orjson.dumps(FULL, option=orjson.OPT_SORT_KEYS).decode(),
    )


def test_all_problems_are_told_at_once_each_with_its_line() -> None:
    text = """\
{
  "function": "mcp",
  "upstream": "ftp://127.0.0.1",
  "confg": {},
  "timeout": 3,
  "config": {
    "metods": ["GET"],
    "methods": [
      "GET",
      "get"
    ],
    "public": "yes",
    "cron": [
      {"expression": "0 9 * * *"},
      {"expression": "0 25 * * *",
       "timezone": "Mars/Olympus"}
    ]
  },
  "tools": {
    "a b": {"operationId": "x"},
    "c": {"method": "GET"}
  },
  "description": "a",
  "description": "b"
}
"""
    found = {(problem.line, problem.key) for problem in parse_project(text).problems}
    assert found == {
        (2, "function"),
        (3, "upstream"),
        (4, "confg"),
        (5, "timeout"),
        (7, "config.metods"),
        (10, "config.methods[1]"),
        (12, "config.public"),
        (15, "config.cron[1].expression"),
        (16, "config.cron[1].timezone"),
        (20, 'tools["a b"]'),
        (21, "tools.c"),
        (24, "description"),
    }


@pytest.mark.parametrize(
    ("keys", "key", "says"),
    [
        ({"confg": {}}, "confg", 'did you mean "config"'),
        ({"Function": "x"}, "Function", 'did you mean "function"'),
        ({"timeout": 3}, "timeout", 'inside "config"'),
        ({"headers": {}}, "headers", 'inside "upstream"'),
        ({"qqqq": 1}, "qqqq", "use one of: $schema, function"),
        ({"config": {"pubic": True}}, "config.pubic", 'did you mean "public"'),
        ({"config": {"cors": {"origins": "*"}}}, "config.cors.origins", 'mean "origin"'),
        ({"config": {"limits": {"bodie": 1}}}, "config.limits.bodie", 'mean "body"'),
        ({"tools": {"t": {"operationId": "o", "public": True}}}, "tools.t.public", '"config"'),
        ({"tools": {"t": {"operationID": "o"}}}, "tools.t.operationID", 'mean "operationId"'),
        ({"upstream": {"uri": "http://a"}}, "upstream.uri", 'mean "url"'),
    ],
)
def test_an_unknown_key_is_named_with_the_nearest_known_one(
    keys: dict[str, Any], key: str, says: str
) -> None:
    assert any(k == key and says in message for k, message in told(**keys)), told(**keys)


@pytest.mark.parametrize(
    ("keys", "key", "says"),
    [
        ({"function": ...}, "function", "is missing"),
        ({"function": 3}, "function", "must be a string, not 3"),
        ({"function": "admin"}, "function", "reserved"),
        ({"function": "Shop"}, "function", "not a slug"),
        ({"function": "-shop"}, "function", "not a slug"),
        ({"function": "a" * 64}, "function", "not a slug"),
        ({"function": "shop\n"}, "function", "not a slug"),
        ({"upstream": ...}, "upstream", "http://127.0.0.1:9000"),
        ({"upstream": ..., "command": "run"}, "command", "a program and its arguments"),
        ({"upstream": ..., "command": []}, "command", "a program and its arguments"),
        ({"upstream": ..., "command": ["", "x"]}, "command[0]", "is not a program"),
        ({"upstream": ..., "command": ["node", 3]}, "command[1]", "is not a program"),
        (
            {"upstream": ..., "entrypoint": "index.ts"},
            "entrypoint",
            '"command": ["node", "index.ts"]',
        ),
        ({"upstream": ..., "entrypoint": "../index.py"}, "entrypoint", "a Python file"),
        (
            {"upstream": ..., "entrypoint": "index.py", "scale": {"min": 2}},
            "scale.min",
            "more than",
        ),
        ({"upstream": ..., "entrypoint": "a.py", "scale": {"idle": "x"}}, "scale.idle", "15m"),
        ({"command": "run"}, "command", "exactly one of upstream, command"),
        ({"build": ["make"]}, "build", "for a function that the edge runs"),
        ({"scale": {}}, "scale", "for a function that the edge runs"),
        ({"upstream": None}, "upstream", "must be an address or a list"),
        ({"upstream": []}, "upstream", "must be an address or a list"),
        ({"upstream": ["http://a", 3]}, "upstream[1]", "must be an address"),
        ({"upstream": "127.0.0.1:9000"}, "upstream", 'write "http://host:port"'),
        ({"upstream": "http://"}, "upstream", "no valid host"),
        ({"upstream": "http://a:99999"}, "upstream", "not an address"),
        ({"upstream": "http://a:0"}, "upstream", "port 0"),
        ({"upstream": "http://a/?x=1"}, "upstream", "no query"),
        ({"upstream": "http://a/#f"}, "upstream", "no query or fragment"),
        ({"upstream": "http://a/../b"}, "upstream", "not plain"),
        ({"upstream": "http://a b/"}, "upstream", "no valid host"),
        ({"upstream": "unix:run/a.sock"}, "upstream", "absolute"),
        ({"upstream": "unix:/" + "a" * 108}, "upstream", "107 bytes"),
        ({"upstream": {}}, "upstream", '"url" is missing'),
        ({"upstream": {"url": "http://a", "tls": {}}}, "upstream.tls", "https"),
        (
            {"upstream": {"url": "https://a", "tls": {"certFile": "/c"}}},
            "upstream.tls",
            "together",
        ),
        (
            {"upstream": {"url": "https://a", "tls": {"caFile": "ca.pem"}}},
            "upstream.tls.caFile",
            "absolute path",
        ),
        ({"upstream": {"url": "http://a", "headers": []}}, "upstream.headers", "object"),
        (
            {"upstream": {"url": "http://a", "headers": {"Host": "b"}}},
            "upstream.headers.Host",
            "preserveHost",
        ),
        (
            {"upstream": {"url": "http://a", "headers": {"X_Jelou_Token_Id": "b"}}},
            "upstream.headers.X_Jelou_Token_Id",
            "set by the edge alone",
        ),
        (
            {"upstream": {"url": "http://a", "headers": {"Transfer-Encoding": "b"}}},
            "upstream.headers.Transfer-Encoding",
            "set by the edge alone",
        ),
        (
            {"upstream": {"url": "http://a", "headers": {"X-A": "b\r\nX-B: c"}}},
            "upstream.headers.X-A",
            "control character",
        ),
        (
            {"upstream": {"url": "http://a", "headers": {"X A": "b"}}},
            'upstream.headers["X A"]',
            "not a header name",
        ),
        ({"openapi": True}, "openapi", '"./file" in the project'),
        ({"openapi": "http://a/o.json"}, "openapi", "https://"),
        ({"openapi": "openapi.json"}, "openapi", '"./file" in the project'),
        ({"openapi": "./../secret.json"}, "openapi", '"./file" in the project'),
        ({"openapi": "/a b"}, "openapi", '"/path" on the upstream'),
        ({"openapi": "https://u:p@a.example/x"}, "openapi", "https://"),
        ({"openapiRefresh": 0}, "openapiRefresh", '"5m"'),
        ({"openapiRefresh": "soon"}, "openapiRefresh", '"5m"'),
        ({"openapiRefresh": True}, "openapiRefresh", '"5m"'),
        ({"hosts": "a.example"}, "hosts", "must be a list of host names"),
        ({"hosts": ["a.example:80"]}, "hosts[0]", "without scheme, port"),
        ({"hosts": ["*.example"]}, "hosts[0]", "wildcard"),
        ({"hosts": ["10.0.0.1"]}, "hosts[0]", "not a host name"),
        ({"hosts": ["[::1]"]}, "hosts[0]", "not a host name"),
        ({"hosts": ["münchen.example"]}, "hosts[0]", "xn--"),
        ({"hosts": ["a..example"]}, "hosts[0]", "not a host name"),
        ({"hosts": [7]}, "hosts[0]", "must be a string"),
        ({"config": []}, "config", "must be an object"),
        ({"config": {"timeout": 0}}, "config.timeout", "from 1 to 120000"),
        ({"config": {"timeout": 120001}}, "config.timeout", "from 1 to 120000"),
        ({"config": {"timeout": True}}, "config.timeout", "whole number of milliseconds"),
        ({"config": {"timeout": 1.5}}, "config.timeout", "whole number of milliseconds"),
        ({"config": {"streamIdle": 0}}, "config.streamIdle", "whole number"),
        ({"config": {"methods": []}}, "config.methods", "allows nothing"),
        ({"config": {"methods": ["get"]}}, "config.methods[0]", 'write "GET"'),
        ({"config": {"methods": ["G T"]}}, "config.methods[0]", "not an HTTP method"),
        ({"config": {"methods": ["TRACE"]}}, "config.methods[0]", "never forwarded"),
        ({"config": {"path": "users"}}, "config.path", 'start with "/"'),
        ({"config": {"path": "/files/*"}}, "config.path", "stands alone"),
        ({"config": {"path": "/a/../b"}}, "config.path", "dot segments"),
        ({"config": {"path": "/a?b"}}, "config.path", "query"),
        ({"config": {"path": "/{a"}}, "config.path", "braces"),
        ({"config": {"path": "/{a}{b}"}}, "config.path", "two parameters at most"),
        ({"config": {"path": "/{a}-{b}-{c}"}}, "config.path", "two parameters at most"),
        ({"config": {"mcp": "no"}}, "config.mcp", "true, false or an object"),
        ({"config": {"mcp": {"upstream": "mcp"}}}, "config.mcp.upstream", "not a path"),
        ({"config": {"mcp": {"upstream": "/a/../mcp"}}}, "config.mcp.upstream", "not a path"),
        ({"config": {"mcp": {"upstream": "/mcp#a"}}}, "config.mcp.upstream", "not a path"),
        ({"config": {"mcp": {"bridge": True}}}, "config.mcp.bridge", 'needs "upstream"'),
        ({"config": {"mcp": {"stream": "all"}}}, "config.mcp.stream", '"last" or "concat"'),
        ({"config": {"mcp": {"origins": ["a"]}}}, "config.mcp.origins[0]", "not an origin"),
        (
            {"config": {"mcp": {"forwardHeaders": ["Cookie", "X-Jelou-Token"]}}},
            "config.mcp.forwardHeaders[1]",
            "set by the edge alone",
        ),
        ({"config": {"cors": "*"}}, "config.cors", "true, false or an object"),
        (
            {"config": {"cors": {"credentials": True}}},
            "config.cors.credentials",
            "name the origins",
        ),
        (
            {"config": {"cors": {"credentials": True, "origin": ["https://a.example", "*"]}}},
            "config.cors.credentials",
            "name the origins",
        ),
        ({"config": {"cors": {"origin": "a.example"}}}, "config.cors.origin", "not an origin"),
        (
            {"config": {"cors": {"origin": ["https://a.example/"]}}},
            "config.cors.origin[0]",
            "not an origin",
        ),
        ({"config": {"cors": {"origin": "null"}}}, "config.cors.origin", "not an origin"),
        ({"config": {"cors": {"origin": []}}}, "config.cors.origin", "names no origin"),
        ({"config": {"cors": {"maxAge": -1}}}, "config.cors.maxAge", "whole number of seconds"),
        ({"config": {"limits": {"body": "10MB"}}}, "config.limits.body", "(or null)"),
        ({"config": {"limits": {"rate": "fast"}}}, "config.limits.rate", "100/m"),
        ({"config": {"limits": {"rate": "0/m"}}}, "config.limits.rate", "100/m"),
        ({"config": {"limits": {"rate": 100}}}, "config.limits.rate", "must be a string"),
        ({"config": {"openRoutes": 1}}, "config.openRoutes", "true or false"),
        (
            {"config": {"acceptTokensIn": ["authorization"]}},
            "config.acceptTokensIn",
            "x-jelou-token",
        ),
        (
            {"config": {"acceptTokensIn": ["x-jelou-token", "cookie"]}},
            "config.acceptTokensIn[1]",
            "alone",
        ),
        ({"config": {"oauth": True}}, "config.oauth", '"function" or "edge"'),
        ({"tools": []}, "tools", "must be an object"),
        ({"tools": {"t": 1}}, "tools.t", "must be an object"),
        ({"tools": {"t.u": {"operationId": "o"}}}, 'tools["t.u"]', "not a tool name"),
        ({"tools": {"t" * 65: {"operationId": "o"}}}, "tools." + "t" * 65, "1 to 64"),
        ({"tools": {"t": {"path": "/a"}}}, "tools.t", '"method" and "path" together'),
        ({"tools": {"t": {"method": "GET"}}}, "tools.t", '"method" and "path"'),
        (
            {"tools": {"t": {"operationId": "o", "method": "GET", "path": "/"}}},
            "tools.t",
            "not both",
        ),
        ({"tools": {"t": {"method": "get", "path": "/"}}}, "tools.t.method", '"GET"'),
        ({"tools": {"t": {"method": "GET", "path": "*"}}}, "tools.t.path", "not a path"),
        (
            {"tools": {"t": {"method": "GET", "path": "/", "inputSchema": {"type": "string"}}}},
            "tools.t.inputSchema",
            '"type": "object"',
        ),
        (
            {"tools": {"t": {"operationId": "o", "description": "d" * 1025}}},
            "tools.t.description",
            "1024 at most",
        ),
        (
            {"tools": {"t": {"operationId": "o", "annotations": {"readonlyHint": True}}}},
            "tools.t.annotations.readonlyHint",
            '"readOnlyHint"',
        ),
        (
            {"tools": {"t": {"operationId": "o", "annotations": {"readOnlyHint": 1}}}},
            "tools.t.annotations.readOnlyHint",
            "true or false",
        ),
        (
            {"tools": {"t": {"operationId": "o", "icons": [{"src": "javascript:1"}]}}},
            "tools.t.icons[0].src",
            "address of an image",
        ),
        (
            {"tools": {"t": {"operationId": "o", "config": {"timeout": 0}}}},
            "tools.t.config.timeout",
            "whole number",
        ),
        ({"id": 3}, "id", "must be a string"),
    ],
)
def test_what_is_wrong_is_told_with_what_to_write(
    keys: dict[str, Any], key: str, says: str
) -> None:
    found = told(**keys)
    assert any(k == key and says in message for k, message in found), found


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("", 1, "empty"),
        ("{\n", 2, "not JSON at column"),
        ('{"a": 1\n,}', 2, "trailing comma"),
        ('{"a" 1}', 1, "expected ':'"),
        ("{\n  // why\n}", 2, "no comments"),
        ("{'a': 1}", 1, "double quotes"),
        ("[1]", 1, "must be a JSON object, not [1]"),
        ("NaN", 1, "not JSON"),
        ('{"a":\n' + "[" * 200 + "]" * 200 + "}", 2, "nested deeper than 128 levels"),
        ("[" * 100_000, 1, "not JSON"),
        (" " * (MAX_FILE + 1), 1, "is the most"),
        ('{"a": "\ud800"}', 1, "not JSON"),
    ],
)
def test_what_is_no_project_file_at_all_says_where_and_why(text: str, line: int, says: str) -> None:
    [problem] = parse_project(text).problems
    assert problem.line == line
    assert says in problem.message, problem


def test_a_byte_order_mark_is_no_problem() -> None:
    assert parse_project("\ufeff" + CONTRACT).problems == ()


@pytest.mark.parametrize(
    ("expression", "good"),
    [
        ("* * * * *", True),
        ("0 9 * * 1-5", True),
        ("0-59/15 */2 1,15,31 jan-dec sun", True),
        ("0 0 * * FRI-SUN", True),
        ("0 0 29 2 *", True),
        ("0 0 31 2 MON", True),
        ("  0   9 * * * ", True),
        ("0 0 30 2 *", False),
        ("0 0 31 4,6,9,11 *", False),
        ("60 * * * *", False),
        ("* 24 * * *", False),
        ("* * 0 * *", False),
        ("* * * 13 *", False),
        ("* * * * 8", False),
        ("5-1 * * * *", False),
        ("*/0 * * * *", False),
        ("5/10 * * * *", False),
        ("1,,2 * * * *", False),
        ("JAN * * * *", False),
        ("* * * * MON#1", False),
        ("٣ * * * *", False),
        ("@daily", False),
        ("0 0 9 * * *", False),
        ("", False),
    ],
)
def test_a_schedule_has_five_fields_that_can_come_true(expression: str, good: bool) -> None:
    found = told(config={"cron": [{"expression": expression}]})
    assert [key for key, _ in found] == ([] if good else ["config.cron[0].expression"])


@pytest.mark.parametrize(
    ("schedule", "key"),
    [
        ({}, "config.cron[0]"),
        ({"expression": "* * * * *", "timezone": "../etc/passwd"}, "config.cron[0].timezone"),
        ({"expression": "* * * * *", "timezone": "europe"}, "config.cron[0].timezone"),
        ({"expression": "* * * * *", "name": "n" * 65}, "config.cron[0].name"),
        ({"expression": "* * * * *", "name": ""}, "config.cron[0].name"),
        ({"expression": "* * * * *", "botId": "b" * 129}, "config.cron[0].botId"),
        ({"expression": "* * * * *", "overlap": "queue"}, "config.cron[0].overlap"),
        ({"expression": "* * * * *", "grace": "x"}, "config.cron[0].grace"),
        ("* * * * *", "config.cron[0]"),
    ],
)
def test_a_bad_schedule_is_named(schedule: Any, key: str) -> None:
    assert [k for k, _ in told(config={"cron": [schedule]})] == [key]


def test_schedules_are_counted_over_all_tools() -> None:
    schedules = [{"expression": "* * * * *"}] * 5
    tools = {name: {"operationId": name, "config": {"cron": schedules}} for name in ("a", "b")}
    assert told(tools=tools) == []
    [(key, message)] = told(tools=tools, config={"cron": schedules[:1]})
    assert key == "tools.b.config.cron"
    assert "11" in message


@pytest.mark.parametrize(
    ("value", "seconds"), [("5m", 300), (300, 300), ("300", 300), ("24h", 86400), ("90d", 7776000)]
)
def test_durations_are_seconds_or_a_number_with_a_unit(value: object, seconds: int) -> None:
    assert accepted(openapiRefresh=value).document.refresh == seconds


@pytest.mark.parametrize(
    ("value", "source"),
    [
        (..., DocumentSource()),
        (False, DocumentSource("none", "", declared=True)),
        ("/v3/api-docs?x=1", DocumentSource("path", "/v3/api-docs?x=1", declared=True)),
        ("./docs/openapi.json", DocumentSource("file", "./docs/openapi.json", declared=True)),
        (
            "https://a.example:8443/x",
            DocumentSource("url", "https://a.example:8443/x", declared=True),
        ),
    ],
)
def test_the_document_comes_from_where_the_file_says(value: Any, source: DocumentSource) -> None:
    assert accepted(openapi=value).document == source


def test_cors_can_be_turned_off_and_on() -> None:
    assert accepted(config={"cors": False}).config.cors is None
    assert accepted(config={"cors": True}).config.cors == Cors()
    assert accepted(config={"cors": {"headers": ["*"], "methods": "*"}}).config.cors == Cors()


def test_mcp_can_be_turned_off() -> None:
    assert not accepted(config={"mcp": False}).config.mcp.enabled
    assert accepted(config={"mcp": {"upstream": None, "bridge": False}}).config.mcp.enabled


def test_a_file_of_nothing_but_mistakes_is_told_of_in_bounds() -> None:
    found = parsed(**{f"k{number}": 1 for number in range(5000)}).problems
    assert len(found) == 101
    assert "4900 more" in found[-1].message


def test_no_host_is_under_the_edges_own_domain() -> None:
    text = '{"function":"a","upstream":"http://a","hosts":["X.fn.example", "fn.example", "b"]}'
    found = parse_project(text, domain="fn.example").problems
    assert [problem.key for problem in found] == ["hosts[0]", "hosts[1]"]


def test_the_timeout_is_bounded_by_the_edges_setting() -> None:
    text = '{"function":"a","upstream":"http://a","config":{"timeout":2000}}'
    assert parse_project(text, max_timeout=2000).problems == ()
    assert parse_project(text, max_timeout=1999).problems != ()


def test_files_of_the_project_are_found_from_its_directory() -> None:
    text = """{"function":"a", "openapi":"./api/o.json",
               "upstream":{"url":"https://a","tls":{"caFile":"certs/ca.pem"}}}"""
    project = parse_project(text, base="/srv/shop").project
    assert project is not None
    assert project.document.location == "/srv/shop/api/o.json"
    assert project.upstreams[0].tls.ca_file == "/srv/shop/certs/ca.pem"
    stored = load_project(project.text)
    assert stored.upstreams == project.upstreams
    assert stored.document.location == "./api/o.json"


def test_secrets_in_a_file_are_neither_repeated_nor_shown() -> None:
    project = accepted(upstream={"url": "http://a", "headers": {"Authorization": "s3cret"}})
    assert "s3cret" not in repr(project)
    token = secret.mint(lambda size: bytes(range(size)), secret.RUNTIME)
    found = told(
        upstream={"url": "http://u:s3cret@a", "headers": {"X-A": token, "X-B": "s3cret\n"}}
    )
    assert len(found) == 3
    assert not any("s3cret" in message or token in message for _, message in found)


def test_equal_files_are_equal_however_they_are_written() -> None:
    one = parse_project('{"function": "a",\n "upstream": "http://a"}')
    other = parse_project('{"upstream":"http:\\/\\/a","function":"a"}')
    assert one.project == other.project
    assert one.project is not None
    assert one.project.text == '{"function":"a","upstream":"http://a"}'


def test_what_was_stored_is_what_is_loaded() -> None:
    project = parse_project(json.dumps(FULL)).project
    assert project is not None
    assert load_project(project.text) == project


def test_a_stored_project_outlives_a_lower_timeout_and_a_lost_time_zone() -> None:
    schedule = {"expression": "* * * * *", "timezone": "Atlantis/Capital"}
    value = {
        "function": "a",
        "upstream": "http://a",
        "config": {"timeout": 10**6, "cron": [schedule]},
    }
    assert load_project(json.dumps(value)).config.timeout == 10**6


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"function":"a"}'])
def test_a_stored_text_that_is_no_project_is_refused(text: str) -> None:
    with pytest.raises(ProjectError):
        load_project(text)


@pytest.mark.parametrize(
    ("url", "slug"),
    [
        ("http://127.0.0.1:9000", "localhost-9000"),
        ("http://localhost:3000/", "localhost-3000"),
        ("http://[::1]:3000/", "localhost-3000"),
        ("https://api.shop.example", "api-shop-example"),
        ("https://api.shop.example:8443/v1", "api-shop-example-8443"),
        ("http://api", "my-api"),
        ("unix:/run/shop.api.sock", "shop-api"),
        ("https://" + ".".join(["a" * 40] * 3), ("a" * 40 + "-" + "a" * 22)),
    ],
)
def test_a_function_without_a_file_is_named_after_its_address(url: str, slug: str) -> None:
    assert project_for_url(url).slug == slug


def test_a_project_of_a_url_is_the_file_that_is_saved() -> None:
    project = project_for_url("http://127.0.0.1:9000/", "shop")
    text = render_project(project)
    assert text == '{\n  "function": "shop",\n  "upstream": "http://127.0.0.1:9000"\n}\n'
    assert parse_project(text).project == project


@pytest.mark.parametrize(
    ("url", "slug", "says"),
    [
        ("ftp://a", None, "ftp://a"),
        ("http://u:s3cret@a", None, "password"),
        ("http://a", "mcp", "reserved"),
        ("http://a", "A", "--slug"),
    ],
)
def test_a_url_or_name_that_will_not_do_says_why(url: str, slug: str | None, says: str) -> None:
    with pytest.raises(ProjectError) as caught:
        project_for_url(url, slug)
    assert says in str(caught.value)
    assert "s3cret" not in str(caught.value)


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)


@given(st.text(max_size=200) | _JSON.map(json.dumps))
@settings(max_examples=150, deadline=None)
def test_no_text_makes_the_reader_fail(text: str) -> None:
    result = parse_project(text)
    assert result.problems
    assert all(1 <= problem.line <= text.count("\n") + 1 for problem in result.problems)


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place of a value."""
    steps = value.items() if isinstance(value, dict) else enumerate(value)
    inner = [
        found
        for step, item in steps
        for found in ([(*path, step)] + (_paths(item, (*path, step)) if _holds(item) else []))
    ]
    return [*inner] if path else [(), *inner]


def _holds(value: Any) -> bool:
    return isinstance(value, dict | list)


def _at(value: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        value = value[step]
    return value


def _is_closed(path: tuple[Any, ...]) -> bool:
    """Whether only known keys may stand in the object at this path."""
    free = path[-1:] in {("headers",), ("properties",), ("inputSchema",)} or path == ("tools",)
    return not free and "inputSchema" not in path


OBJECTS = [p for p in _paths(FULL) if isinstance(_at(FULL, p), dict) and _is_closed(p)]


@given(st.sampled_from(OBJECTS), st.text(max_size=20).map("x{}".format), _JSON)
@settings(max_examples=100, deadline=None)
def test_any_unknown_key_anywhere_is_reported_with_its_line(
    path: tuple[Any, ...], key: str, value: Any
) -> None:
    mutated = json.loads(json.dumps(FULL))
    _at(mutated, path)[key] = "\N{SNOWMAN} marker"
    text = json.dumps(mutated, indent=1)
    line = next(n for n, row in enumerate(text.split("\n"), 1) if "\\u2603 marker" in row)
    found = parse_project(text.replace('"\\u2603 marker"', json.dumps(value))).problems
    assert any(problem.line == line and "unknown key" in problem.message for problem in found)


@given(st.sampled_from([p for p in _paths(FULL) if p]), _JSON)
@settings(max_examples=200, deadline=None)
def test_any_value_in_any_place_is_read_or_reported_never_fatal(
    path: tuple[Any, ...], value: Any
) -> None:
    mutated = json.loads(json.dumps(FULL))
    _at(mutated, path[:-1])[path[-1]] = value
    result = parse_project(json.dumps(mutated))
    assert (result.project is None) == bool(result.problems)
    if result.project is not None:
        assert load_project(result.project.text) == result.project
