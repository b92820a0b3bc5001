"""The map of the house, and the rules that keep it one: read the map first.

Sections lie on each other by their number; a module imports only from sections with a smaller one,
or from its own section with a smaller number in front. So siblings, which share a number, do not
import one another, and there are no cycles. `pure` modules name no clock, socket, loop, logger,
environment or source of randomness: what they need of those comes in as an argument.
"""

import ast
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
FLOORS = ("tokens", "mcp_bridge", "edge")

EXCEPTIONS = {
    # A worker is a fresh process: its parent tells it by name what to serve.
    ("edge.server.supervisor", "edge.compose"),
}
"""Imports that go up, each with its reason."""

FACES = {
    # What authors of functions import: `from edge.sdk import define, app, response`.
    "edge.sdk",
}
"""Packages whose `__init__.py` gives names on, for people who do not read this map."""

LATE = {
    "edge.composing.console",  # an edge without an admin address needs no templates
    "edge.composing.observing",  # most edges send no traces, and need not have what that takes
    "edge.cli.loading",  # commands that do not touch the store start without it
    "edge.sdk.declared",  # functions start without the validator that they do not use
    "edge.server.http3",  # an edge that was not asked for HTTP/3 needs nothing of it
    "edge.server.worker_main",  # see EXCEPTIONS
    "tokens.migrations",  # sqlite_utils is needed only where a schema is behind
}
"""Modules that import something later than at their top."""

OWNERS = {
    "aioquic": (
        "edge.server.http3_framing",
        "edge.server.hypercorn_http3",
        "edge.server.quic_connection",
        "edge.server.quic_packets",
    ),
    "anyio": (
        "edge.admin.api",
        "edge.admin.files",
        "edge.app",
        "edge.compose",
        "edge.composing.console",
        "edge.composing.cron",
        "edge.composing.mcp",
        "edge.console.app",
        "edge.cron.*",
        "edge.housekeeping",
        "edge.state.per_deployment",
        "edge.doors.http",
        "edge.doors.mcp",
        "edge.doors.mcp_eras",
        "edge.doors.mcp_upstream",
        "edge.doors.websocket",
        "mcp_bridge.serving",
        "mcp_bridge.upstream",
    ),
    "click": ("edge.cli.*",),
    "cronsim": ("edge.cron.schedule",),
    "cryptography": ("mcp_bridge.sealing",),
    "h11": ("edge.server.hypercorn_http1",),
    "h2": ("edge.server.hypercorn_http2", "edge.server.hypercorn_sending"),
    "hypercorn": ("edge.sdk.serving", "edge.server.hypercorn_*"),
    "hpack": ("edge.server.hypercorn_http2",),
    "httpx2": ("mcp_bridge.upstream_client",),
    "hyperframe": ("edge.server.hypercorn_http2",),
    "jinja2": ("edge.console.rendering",),
    "jsonschema_rs": ("edge.sdk.schema_shapes", "mcp_bridge.validation"),
    "mcp": (
        "mcp_bridge.checks",
        "mcp_bridge.guard",
        "mcp_bridge.server",
        "mcp_bridge.upstream",
        "mcp_bridge.upstream_client",
    ),
    "mcp_types": (
        "mcp_bridge.checks",
        "mcp_bridge.listing",
        "mcp_bridge.literal",
        "mcp_bridge.server",
        "mcp_bridge.upstream",
        "mcp_bridge.upstream_client",
    ),
    "opentelemetry": ("edge.observe.traces",),
    "orjson": ("*",),
    "pathspec": ("edge.code.collect",),
    "pylsqpack": ("edge.server.http3_framing",),
    "prometheus_client": ("edge.observe.exposition",),
    "pydantic": (
        "edge.sdk.typed_shapes",
        "mcp_bridge.checks",
        "mcp_bridge.guard",
        "mcp_bridge.listing",
        "mcp_bridge.literal",
        "mcp_bridge.upstream",
    ),
    "rich": ("edge.cli.top", "edge.cli.top_screen"),
    "sqlite3": (
        "edge.cron.store",
        "edge.registry.sqlite",
        "edge.state.source",
        "tokens.copies",
        "tokens.database",
        "tokens.faults",
        "tokens.migrations",
    ),
    "sqlite_utils": ("tokens.migrations",),
    "uvloop": ("edge.server.loops",),
    "watchfiles": ("edge.cli.dev",),
    "wsproto": ("edge.forwarding.websocket", "edge.server.hypercorn_streams"),
}
"""Packages beyond the standard library, and sqlite3: which modules may name them."""

EFFECTS = {
    "anyio", "asyncio", "fcntl", "logging", "mmap", "multiprocessing", "os", "random", "secrets",
    "selectors", "signal", "socket", "ssl", "subprocess", "tempfile", "threading", "time",
}  # fmt: skip
"""What a pure module does not name."""

LONGEST_FILE = 420
LONGEST_FUNCTION = 60

ADDRESS = re.compile(r"(?:tokens|mcp_bridge|edge)(?:\.\w+)+:\w+")

MAP = """
== 1 tokens: who is calling
0 -    tokens.generation                the mapped file and the writers' lock that processes share
0 -    tokens.migrations                how the schema came to be, step by step
0 pure tokens.paths                     raw request paths: which are plain, which a template matches
0 pure tokens.rate                      how often something may be done
0 pure tokens.secret                    mint, checksum, digest, find and redact secrets
1 pure tokens.errors                    what can go wrong, with the text that a user reads
2 pure tokens.faults                    SQLite's and the system's errors, explained
2 pure tokens.model                     Token, Principal, Scopes, and the verdict on a token
3 -    tokens.database                  the SQLite file, and the generation protocol over it
3 -    tokens.memory                    token stores in memory
3 pure tokens.names                     what tokens are called: names and ids
3 pure tokens.store                     what a token store does: the Protocols
4 -    tokens.access                    access tokens, which manage the edge
4 -    tokens.copies                    copies of the file, and what they must not undo
4 -    tokens.service                   runtime tokens: every rule about them
4 -    tokens.sqlite                    token stores in the shared file

== 2 mcp_bridge: functions as MCP tools
0 pure mcp_bridge.event_stream          server-sent events as /mcp writes them
0 pure mcp_bridge.events                a streaming answer cut into events
0 pure mcp_bridge.fields                header fields that no tool may set
0 pure mcp_bridge.jsontext              JSON in and out, within bounds
0 pure mcp_bridge.names                 tool names: legal, unique, stable
0 pure mcp_bridge.revisions             the revisions of MCP, and what tells them apart
0 pure mcp_bridge.tool_changes          what a new list of tools changes for agents
0 pure mcp_bridge.tools                 Tool, ToolRequest, Invoker: the vocabulary
0 pure mcp_bridge.traces                trace context of a call as header fields
1 pure mcp_bridge.document              an OpenAPI document, checked, and its pointers
1 pure mcp_bridge.failures              a function's failure as text for a model
1 pure mcp_bridge.jsonrpc               JSON-RPC messages and errors
1 pure mcp_bridge.legality              what clients would refuse in a schema, mended
1 pure mcp_bridge.listing               tools as each revision of MCP shows them
1 pure mcp_bridge.session               session ids that carry their session, signed
1 pure mcp_bridge.styles                parameter values as text: style and explode
1 -    mcp_bridge.upstream_client       the SDK's client over requests of the edge's own
1 pure mcp_bridge.validation            values against JSON Schemas
2 pure mcp_bridge.admission             what a request to /mcp must look like
2 -    mcp_bridge.guard                 unexpected errors of the SDK's handlers
2 pure mcp_bridge.parameters            parameters of an operation as arguments
2 pure mcp_bridge.progress              what a stream of events means for a call
2 pure mcp_bridge.schemas               schemas that stand alone, all references local
2 pure mcp_bridge.sealing               text only the edge can read, bound to its use
2 pure mcp_bridge.watching              what a stream of changes is told
3 pure mcp_bridge.bodies                request bodies of an operation as arguments
3 pure mcp_bridge.narrowing             what a token of some tools may say and see
3 pure mcp_bridge.passthrough           what changes on the way to an MCP server
3 pure mcp_bridge.state                 what a call that asks back carries, sealed
3 pure mcp_bridge.upstream_session      ids that hold the session of an MCP server
3 pure mcp_bridge.urls                  paths of servers and templates, checked
4 pure mcp_bridge.openapi               operations of a document as tools
4 pure mcp_bridge.requests              a tool and its arguments as an HTTP request
5 pure mcp_bridge.specs                 what a project file says, over the document
6 pure mcp_bridge.catalog               the tools of a deployment, filtered by caller
7 -    mcp_bridge.checks                the SDK's checks of a request, without its server
7 pure mcp_bridge.endpoint              one request to /mcp, as values
7 pure mcp_bridge.results               a function's answer as a tool's result
7 pure mcp_bridge.search                two tools that find and call all others
8 -    mcp_bridge.exchange              an ASGI app asked one whole request
8 -    mcp_bridge.literal               results that a function words itself
8 pure mcp_bridge.merging               the tools of several functions at one address
8 pure mcp_bridge.pages                 lists of tools as JSON, made once
8 pure mcp_bridge.targets               which tool a call means
9 -    mcp_bridge.rounds                calls that ask their client back
9 -    mcp_bridge.upstream              speaks for an MCP server of the other era
10 -    mcp_bridge.calls                 one tools/call without I/O
11 -    mcp_bridge.invoking              a call carried out over an Invoker
11 -    mcp_bridge.judging               what becomes of a request to /mcp
12 -    mcp_bridge.server                the SDK, for everything else
13 -    mcp_bridge.serving               the MCP endpoint: judged, and carried out

== 3 edge, vocabularies: what everything else speaks of
0 -    edge.child                       what the supervisor and its children share
0 -    edge.exits                       how a process that has ended is spoken of
0 pure edge.extras                      what is asked for without its packages
0 pure edge.functions                   Function, Deployment, Project, Route: as values
0 -    edge.keys                        keys that processes share, rotated while they run
0 pure edge.mcp_headers                 header fields that mirror an MCP message
0 pure edge.message                     Head, Headers, Peer, Body: HTTP as values
0 pure edge.secrets.names               what secrets may be called and hold
0 pure edge.settings                    the kinds of value that a setting can hold
0 pure edge.snippets                    what each MCP client wants to be told
0 -    edge.version                     the version, as installed
1 -    edge.config                      every setting: flag, variable, key, default
1 pure edge.errors                      every error: code, status, fault, public text
1 pure edge.headers                     every rule about header fields
1 pure edge.http1                       field sections of HTTP/1.1, both ways
2 -    edge.config_loading              the settings read, every mistake at once
2 pure edge.limits                      which rate limits apply, and what is told of them
2 pure edge.problems                    an error's body: JSON, or problem details
3 -    edge.config_shown                the settings as text, to show and to document

== 3 edge, SDK: what authors of Python functions write with
0 pure edge.sdk.cron                    whether a request is a run that the edge signed
0 pure edge.sdk.encoding                values that handlers return, as JSON text
0 -    edge.sdk.lines                   lines that a function writes to its log
0 pure edge.sdk.requests                the request as a handler sees it
0 pure edge.sdk.responses               answers and events, built step by step
0 pure edge.sdk.shapes                  what a function takes and gives, as declared
0 -    edge.sdk.threads                 threads for handlers that are plain functions
1 pure edge.sdk.inputs                  from a request to the value that is checked
1 pure edge.sdk.schema_shapes           shapes that are JSON Schemas
1 -    edge.sdk.streaming               what a generator yields, on its way
1 pure edge.sdk.typed_shapes            shapes that are types
1 -    edge.sdk.webhooks                whether a webhook comes from whom it says
2 -    edge.sdk.context                 what a handler knows beside its input
2 -    edge.sdk.declared                shapes from what an author declared
3 -    edge.sdk.defining                define() and app()
4 -    edge.sdk.loading                 an author's module, loaded
4 -    edge.sdk.routing                 which function a request is for
5 -    edge.sdk.openapi                 what a function says of itself
6 -    edge.sdk.handling                one request to an answer
7 -    edge.sdk.asgi                    a service as an ASGI application
7 -    edge.sdk.testing                 functions called in authors' tests
8 -    edge.sdk.serving                 a function as a process

== 4 edge, gate: the decision, and what it is made of
0 pure edge.cors                        what browsers are told (Fetch, CORS protocol)
0 pure edge.gate.decisions              what the gate decides with and between
0 pure edge.gate.origin                 which pages may speak MCP
0 pure edge.gate.target                 request targets, hosts, the slug in path form
1 pure edge.gate.credentials            which token a request carries, and whether it is good
1 pure edge.gate.malformed              what makes a head unfit to be acted on
1 pure edge.gate.publicity              which requests need no token
2 pure edge.gate.edge_wide              decisions about the edge's own /mcp
3 pure edge.gate.decide                 decide(): the one decision in front of everything

== 4 edge, project file: jelou.json as values
0 pure edge.project_file.declared       what code declares, under the file
0 pure edge.project_file.positions      where in the text each key stands
0 pure edge.project_file.routes         addresses with settings of their own
1 pure edge.project_file.catalogs       project file and document to tools and routes
1 pure edge.project_file.reader         reads an object, noting all that is wrong
2 pure edge.project_file.texts          what single strings may be
3 pure edge.project_file.cron           cron in a project file
3 pure edge.project_file.fields         header fields that an author may set
3 pure edge.project_file.run            how the edge runs a function, in a project file
4 pure edge.project_file.config         config in a project file
4 pure edge.project_file.upstream       upstream in a project file
5 pure edge.project_file.tools          tools in a project file
6 pure edge.project_file.root           the top level, its parts put together
7 pure edge.project_file.parse          a project file as a Project, and back

== 5 edge, events: what happens to requests
0 pure edge.events                      a closed set of what happens

== 5 edge, registry: functions and their deployments
0 -    edge.registry.migrations         the registry's tables
0 pure edge.registry.store              what a registry does: the Protocol
1 -    edge.registry.memory             a registry in memory
1 pure edge.registry.rows               deployments as rows
2 -    edge.registry.sqlite             a registry in the shared file

== 5 edge, code: the files of functions that the edge runs
0 pure edge.code.limits                 how much code may be, and which paths
1 -    edge.code.collect                which files of a project are deployed
1 -    edge.code.command                runs one program to its end
1 pure edge.code.recipe                 what code is made of
2 -    edge.code.archive                the files as a tar, unpacked with care
3 -    edge.code.store                  code on disk, immutable once made
4 -    edge.code.making                 unpacked, installed, built, sealed

== 5 edge, audit: who changed what
0 pure edge.audit.record                one record, and its canonical JSON
0 pure edge.audit.refused               tokens that are over and still used
1 -    edge.audit.actor                 who acts, and from where
1 pure edge.audit.chain                 the hash chain, and what it shows of alterations
2 -    edge.audit.store                 the trail in the shared file, its head beside it
3 -    edge.audit.watch                 what is recorded of those who are refused

== 5 edge, secrets: what functions are told and nobody is shown
0 pure edge.secrets.references          secrets that a project's headers name, put in
0 -    edge.secrets.store               secrets in the shared file, sealed

== 5 edge, logs: what functions write, kept
0 pure edge.logs.line                   a line as it is kept, whatever was written
1 -    edge.logs.writer                 files of lines, bounded in size and rate
2 -    edge.logs.kept                   every function's log in a data directory
2 -    edge.logs.reader                 a log's end, and what comes after a cursor

== 5 edge, forwarding: the upstream side
0 pure edge.forwarding.backlog          bytes that wait for a slow consumer
0 -    edge.forwarding.eyeballs         whichever of several addresses answers first
0 pure edge.forwarding.frames           a WebSocket's frames: where each ends, how one closes
0 -    edge.forwarding.limit            requests in flight per function
0 pure edge.forwarding.opening          a WebSocket's handshake, and what its 101 must prove
0 pure edge.forwarding.plan             the header work, both ways
0 -    edge.forwarding.sweep            one timer for many deadlines
0 pure edge.forwarding.wire             requests, timeouts, failures: as values
1 pure edge.forwarding.breaker          whether one address is asked or left alone
1 -    edge.forwarding.connection       one connection, flow control both ways
1 pure edge.forwarding.homes            at which address an MCP session lives
1 -    edge.forwarding.names            addresses of names, without waiting for one another
1 pure edge.forwarding.parse            HTTP/1.1 heads, strict, with limits
2 pure edge.forwarding.chunks           the chunked coding, strict
2 pure edge.forwarding.circuits         which addresses take requests
2 -    edge.forwarding.process          one process of a function: its connections, its state
2 -    edge.forwarding.tls              TLS to an upstream
2 -    edge.forwarding.tunnel           bytes both ways after a 101
3 -    edge.forwarding.connect          opening connections
3 -    edge.forwarding.fleet            processes that the edge runs: which takes a request
3 pure edge.forwarding.reader           an answer read from bytes as they come
3 -    edge.forwarding.websocket        the upstream end of a WebSocket
4 -    edge.forwarding.exchange         one request and its answer
5 -    edge.forwarding.answer           an answer: its head at once, its body as it comes
6 -    edge.forwarding.pool             reuse, ageing, choice, the retry rule
7 -    edge.forwarding.forwarder        carries an authorised call to its function

== 5 edge, running in words: what runner, workers and operations tell one another
0 pure edge.running.protocol            messages, as lines of JSON
1 pure edge.running.runs                what operations may ask of functions that the edge runs

== 6 edge, a worker's knowledge: what it knows and keeps between requests
0 -    edge.observe.log                 the edge's own errors on stderr
0 -    edge.state.ended_sessions        MCP sessions that were ended early
0 pure edge.state.gcra                  the generic cell rate algorithm
0 -    edge.state.instances             what worker and runner tell one another
0 -    edge.state.kept                  the edge's name and keys, made once
0 pure edge.state.peers                 what workers tell one another, by topic
0 -    edge.state.per_deployment        what is made from a deployment once, and kept
0 -    edge.state.rate_table            the numbers behind rate limits, in a shared mapped file
0 -    edge.state.view                  what a worker knows, never out of date
1 -    edge.state.catalogs              the tools of each live deployment, built once
1 -    edge.state.health                whether an upstream answers
1 -    edge.state.mcp_calls             MCP calls in flight, cancelled by their ids
1 pure edge.state.rates                 rate limits, exact over all workers
1 -    edge.state.roster                which workers are there, asked of all
1 pure edge.state.session_streams       the one GET stream of each MCP session
1 pure edge.state.shares                how often a minute each of many may do something
1 -    edge.state.source                the store as a worker reads it
1 -    edge.state.streams               open streams, judged again when the world changes
1 -    edge.state.upstream_sessions     sessions of functions that are MCP servers
2 -    edge.state.merged_catalogs       the tools of many functions, kept

== 6 edge, observe: what is told of requests
1 pure edge.observe.access_line         a request as a line of the access log
1 -    edge.observe.background          work in a thread, holding up nobody
1 pure edge.observe.batch               events gathered, handed on together
1 pure edge.observe.tally               what has happened, counted
2 -    edge.observe.access_log          which lines there are, and how they are written
2 -    edge.observe.pages               each worker's counts, where the others read them
2 pure edge.observe.rates               rates and percentiles, from two moments
2 pure edge.observe.series              counts over time, an hour of them
2 pure edge.observe.spans               requests and tool calls as spans
3 -    edge.observe.exposition          all counts in Prometheus's text format
3 -    edge.observe.series_file         counts over time, in a file beside the pages
3 -    edge.observe.traces              spans on their way to an OTLP endpoint

== 6 edge, running: the processes of functions
0 -    edge.running.client              asks a running edge's runner
0 pure edge.running.launch              program and environment of a process
0 -    edge.running.output              what processes write, and its end kept
0 pure edge.running.plan                when instances start, leave and end
0 -    edge.running.system              what Linux tells of processes
0 -    edge.running.users               which user a function runs as
1 -    edge.running.family              all processes that came of one instance
1 -    edge.running.readiness           waits until a process answers
1 -    edge.running.rooms               where each process may listen and write
2 -    edge.running.process             one process, started and ended with its kin
3 -    edge.running.instance            one instance, from its settings to its end
4 -    edge.running.keeper              carries out the plans, tells the workers
4 -    edge.running.sources             files, secrets, addresses of a data directory
5 -    edge.running.trials              processes of what may become a deployment
6 -    edge.running.alone               trials without a running edge
6 -    edge.running.runner              its socket, its look at the store, its rhythm
7 -    edge.running.main                the runner's process

== 6 edge, cron: schedules of functions
0 -    edge.cron.presence               which processes that fire are still there
0 pure edge.cron.schedule               when a schedule is due
0 pure edge.cron.signature              the fields of a run, signed
0 -    edge.cron.signing_secrets        what runs are signed with, sealed
1 -    edge.cron.store                  runs, claimed once and kept
2 -    edge.cron.firing                 runs carried out
3 -    edge.cron.loop                   when schedules fire
3 -    edge.cron.manual                 a run that somebody asks for

== 7 edge, doors: requests carried out as the gate decided
0 -    edge.doors.asgi                  a request over ASGI: head, body, answer
0 pure edge.doors.asked                 a decided request, with its ids and addresses
0 -    edge.doors.mcp_bodies            bodies from an MCP server on their way
0 pure edge.doors.openapi_document      a deployment's document as the edge publishes it
0 pure edge.doors.rendering             a refusal as bytes
1 -    edge.doors.invoker               how the bridge reaches a function
1 -    edge.doors.mcp_eras              speaks for MCP servers of the other era
1 -    edge.doors.mcp_streams           streams of changes, records in a worker
1 -    edge.doors.open_documents        /__health and /openapi.json
1 pure edge.doors.own_answers           what the edge itself answers, whole
1 -    edge.doors.reopening             opens a function's MCP session again
2 -    edge.doors.answering             answers from memory over ASGI
2 -    edge.doors.mcp_edge_wide         what a request to the edge's own /mcp is for
2 -    edge.doors.websocket             carries out a decision about a WebSocket
3 -    edge.doors.http                  carries out a decision about plain HTTP
3 -    edge.doors.mcp_upstream          passes MCP through to a function that speaks it
4 -    edge.doors.mcp                   hands a request to the bridge
5 -    edge.app                         the ASGI door: head, gate, hand over
6 -    edge.housekeeping                what a worker does between requests

== 7 edge, admin: managing it: operations, API, client
0 -    edge.admin.documents             fetches OpenAPI documents, within bounds
0 pure edge.admin.errors                every error of managing the edge
0 pure edge.admin.example               a first call to try, as a curl line
0 pure edge.admin.failed_logins         failed authentications, counted and bounded
0 pure edge.admin.log_operations        what can be done with logs
0 -    edge.admin.socket                the Unix socket, from the client's side
0 pure edge.admin.times                 times, and how they are written
1 pure edge.admin.audit_operations      what can be asked of the audit trail
1 pure edge.admin.backup_format         what a backup is made of
1 -    edge.admin.bodies                a request's body, within bounds
1 pure edge.admin.code_operations       what can be done with code
1 pure edge.admin.codec                 the values as JSON and back
1 pure edge.admin.cron_operations       what can be done with schedules
1 pure edge.admin.expectations          tools a deploy was told to expect, others refused
1 -    edge.admin.local_logs            functions' logs in a data directory
1 pure edge.admin.observed_operations   counts and workers: what can be asked
1 pure edge.admin.projects              a project file's problems as one error
1 pure edge.admin.secret_operations     what can be done with secrets
1 -    edge.admin.secret_references     secrets that deploys and documents need
1 pure edge.admin.status_operations     how an edge is: what can be asked
1 pure edge.admin.token_operations      what can be done with tokens
1 -    edge.admin.translation           what stores raise, in the operations' words
2 -    edge.admin.backing_up            a backup made, also while an edge runs
2 pure edge.admin.counts                counts as they are told, and back
2 -    edge.admin.files                 bodies that are files
2 -    edge.admin.local_audit           the audit trail on a store
2 -    edge.admin.local_cron            schedules and their runs on a store
2 -    edge.admin.local_secrets         secrets on a store
2 -    edge.admin.local_tokens          token operations on a store
2 pure edge.admin.operations            what can be done: the Protocol and its values
3 -    edge.admin.local_observed        pages of counts, put together
3 pure edge.admin.routes                method, path, arguments of each operation
3 -    edge.admin.running               code made, tried, asked what it declares
3 pure edge.admin.sampling              what happened between two looks
3 -    edge.admin.stores                opens a store and its token operations
3 pure edge.admin.tool_lists            the tools of a project, shown and compared
3 -    edge.admin.unpacking             a backup unpacked, all of it checked
4 -    edge.admin.callers               who calls the API, and whether he may
4 -    edge.admin.calling               one operation asked of an edge elsewhere
4 -    edge.admin.deploying             deploying: all checked, then written
4 pure edge.admin.openapi               the API as an OpenAPI document
5 -    edge.admin.api                   the operations over HTTP, an ASGI app
5 -    edge.admin.client                the operations of an edge elsewhere
5 -    edge.admin.local_status          how an edge is, gathered
5 -    edge.admin.refreshing            documents looked for again
6 -    edge.admin.local                 all operations on a store
7 -    edge.admin.opening               opens a store with all operations
8 -    edge.admin.restoring             a backup put in place of a store

== 7 edge, server: sockets, Hypercorn, workers
0 pure edge.server.alternatives         where else the edge is, as answers say it
0 pure edge.server.body                 a request's body, and where it ends
0 pure edge.server.calm                 how much a client may ask for nothing
0 -    edge.server.certificates         TLS at the front, read anew in time
0 -    edge.server.endings              how a client connection ends without harm
0 -    edge.server.exchange             one request between connection and app
0 pure edge.server.heads                HTTP/1.1 request heads, strict, with limits
0 -    edge.server.hypercorn_sending    how answers go out over Hypercorn's HTTP/2
0 -    edge.server.loops                which event loop a worker runs on
0 -    edge.server.mailboxes            the sockets between workers
0 -    edge.server.orders               what the supervisor tells a worker
0 -    edge.server.quic_connection      aioquic's QUIC connection, with our bounds
0 -    edge.server.quic_relay           datagrams that are another process's
0 pure edge.server.refusals             errors that are answered below the app
0 -    edge.server.service_manager      who started the edge: sockets passed, what it is told
0 -    edge.server.stream               the connection as reader and writer
1 -    edge.server.children             how the supervisor starts processes
1 -    edge.server.http3_framing        aioquic's HTTP/3 framing, with our bounds
1 -    edge.server.hypercorn_streams    Hypercorn's request streams, with our exchange
1 -    edge.server.quic_packets         QUIC packets that belong to no connection
1 -    edge.server.quic_pump            what drives one QUIC connection
1 pure edge.server.requests             where one is in a stream of requests
1 -    edge.server.sockets              binding
2 -    edge.server.handover             listening sockets for the edge that follows
2 -    edge.server.http3_sending        how answers go out over HTTP/3
2 -    edge.server.hypercorn_http1      Hypercorn's HTTP/1.1, with our endings
2 -    edge.server.hypercorn_http2      Hypercorn's HTTP/2, with our endings
2 -    edge.server.recycling            when a worker gives its place to another
3 -    edge.server.hypercorn_connection Hypercorn's server for one connection
4 -    edge.server.acceptor             the connections of a listener, on either lane
4 -    edge.server.hypercorn_http3      one HTTP/3 connection, on Hypercorn's streams
5 -    edge.server.quic_endpoint        a worker's datagram sockets
6 -    edge.server.http3                HTTP/3, loaded where it was asked for
7 -    edge.server.worker               serves the app on given sockets
8 -    edge.server.worker_main          the process of one worker
9 -    edge.server.supervisor           binds, starts workers, replaces them

== 8 edge, fast lane: plain HTTP/1.1 in callbacks, without a task for each request
0 pure edge.fast.body_clock             how fast a request's body comes
0 -    edge.fast.client                 a client's connection: bytes, flow control, its end
0 pure edge.fast.headwork               the header work, straight to the wire's bytes
0 pure edge.fast.plain                  which requests are plain enough for the lane
0 pure edge.fast.stencil                a head without the fields that vary
0 -    edge.fast.wording                the edge's own answers as they go on the wire
1 pure edge.fast.answer_rote            an answer that is the last one again
1 -    edge.fast.bridged                a request to /mcp that is the last one again
1 pure edge.fast.rote                   a request that is the last one again
2 -    edge.fast.lane                   what the lane's connections share
3 -    edge.fast.errand                 a request on its way to a function
3 -    edge.fast.heads                  the heads of one exchange, both ways
3 -    edge.fast.tunnel                 a WebSocket's bytes both ways, after its 101
3 -    edge.fast.turns                  whose turn it is on a connection
4 -    edge.fast.calling                one tool call to a function
4 -    edge.fast.forward                one request to a function, and its answer
5 -    edge.fast.bridging               one request to /mcp
6 -    edge.fast.connection             requests read, decided, carried out or handed over

== 8 edge, console: managing it in a browser
0 pure edge.console.charts              what was counted, as curves and a table
0 pure edge.console.forms               what a browser sends of a form
0 pure edge.console.responses           answers, and the fields that all of them carry
0 pure edge.console.sessions            who is signed in: a sealed cookie
0 -    edge.console.trying              calls of functions, the way that everybody takes
0 pure edge.console.words               times, durations, sizes as people read them
1 pure edge.console.arguments           a form for a tool's arguments
1 -    edge.console.desk                one request, and what may be asked for it
1 -    edge.console.rendering           pages from templates, and the files they name
2 -    edge.console.functions           the pages of functions
2 -    edge.console.tokens              the pages of tokens
2 -    edge.console.tools               the pages of tools, and trying them
2 -    edge.console.watching            live requests, the audit trail, workers
3 -    edge.console.app                 signing in, and which page a request is for

== 9 edge, composition: constructor calls, nothing else
0 -    edge.composing.audit             what a worker records of those it refuses
0 -    edge.composing.cron              what a worker has to do with schedules
0 -    edge.composing.observing         what a worker notes and tells of requests
0 -    edge.composing.status            what a worker tells of itself
0 -    edge.composing.store             what a worker has open of the data directory
1 -    edge.composing.console           what a worker serves of the console
1 -    edge.composing.mcp               what a worker answers at /mcp with
2 -    edge.compose                     builds everything from a Config

== 10 edge, command line: one file per noun
0 pure edge.cli.doctor_checks           what can be wrong, judged from facts
0 pure edge.cli.durations               90d, 24h, 30m
0 pure edge.cli.env_file                files of KEY=VALUE lines
0 -    edge.cli.loading                 what is imported only when needed
0 pure edge.cli.log_lines               lines of a log as people read them
0 -    edge.cli.mcp_http                Streamable HTTP, the client's side
0 -    edge.cli.output                  lines and tables for people, JSON for programs
0 -    edge.cli.profiles                saved logins
0 -    edge.cli.project_files           finds a project on disk
0 pure edge.cli.scaffold                the files of a new project
0 -    edge.cli.token_file              --token-file, made ready before the token
0 pure edge.cli.top_rows                a sample as cells of tables
1 -    edge.cli.code_files              a project's files on their way
1 -    edge.cli.context                 which edge a command acts on, and how
1 -    edge.cli.doctor_facts            the facts, gathered
1 -    edge.cli.run_lines               how the edge runs a function, as lines
1 -    edge.cli.secret_files            files of secrets, found and read
1 -    edge.cli.stdio_bridge            MCP on stdio, bridged to HTTP
1 -    edge.cli.top_screen              a sample as a screen
2 -    edge.cli.deploying               what deploy and serve --project share
2 -    edge.cli.group                   how commands are declared and loaded
2 -    edge.cli.log_reader              reads a log and shows it
3 -    edge.cli.access                  jelou access
3 -    edge.cli.audit                   jelou audit
3 -    edge.cli.auth                    jelou login, logout, whoami, auth
3 -    edge.cli.backup                  jelou backup, restore
3 -    edge.cli.completion              jelou completion
3 -    edge.cli.cron                    jelou cron
3 -    edge.cli.deploy                  jelou deploy
3 -    edge.cli.deployments             jelou deployments, rollback
3 -    edge.cli.dev                     jelou dev
3 -    edge.cli.doctor                  jelou doctor
3 -    edge.cli.functions               jelou functions
3 -    edge.cli.init                    jelou init
3 -    edge.cli.logs                    jelou logs
3 -    edge.cli.main                    the program: commands by name, failures told
3 -    edge.cli.mcp                     jelou mcp
3 -    edge.cli.mcp_keys                jelou mcp rotate-keys
3 -    edge.cli.secrets                 jelou secrets
3 -    edge.cli.serve                   jelou serve
3 -    edge.cli.status                  jelou status
3 -    edge.cli.stdio                   jelou mcp stdio
3 -    edge.cli.tokens                  jelou tokens
3 -    edge.cli.top                     jelou top
"""


@dataclass(frozen=True)
class Row:
    """One module of the map.

    Attributes:
        height: of its section.
        section: the title of its section.
        order: within the section.
    """

    height: int
    section: str
    order: int
    pure: bool
    module: str

    def may_import(self, other: "Row") -> bool:
        """Whether the other module lies further down."""
        if self.section == other.section:
            return other.order < self.order
        return other.height < self.height


def read_map() -> dict[str, Row]:
    """The rows of the map by module."""
    rows: dict[str, Row] = {}
    height, section = 0, ""
    for line in filter(None, MAP.splitlines()):
        if line.startswith("== "):
            number, _, rest = line.removeprefix("== ").partition(" ")
            height, section = int(number), rest.partition(":")[0]
            continue
        order, kind, module, role = line.split(None, 3)
        assert kind in ("pure", "-"), line
        assert role, line
        assert module not in rows, line
        rows[module] = Row(height, section, int(order), kind == "pure", module)
    return rows


@dataclass(frozen=True)
class Import:
    """One import of a module, wherever in it, by the name of what is imported."""

    module: str
    line: int


def files() -> dict[str, Path]:
    """Every module of the three floors, and every package under its own name."""
    found = {}
    for floor in FLOORS:
        for file in sorted((ROOT / floor).rglob("*.py")):
            parts = file.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


FILES = files()
PACKAGES = {name for name, file in FILES.items() if file.name == "__init__.py"}
MODULES = sorted(set(FILES) - PACKAGES)
ROWS = read_map()


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(FILES[module].read_text())


@cache
def imports(module: str) -> tuple[Import, ...]:
    """What a module imports: at its top, within functions, and for type checking alone."""
    found = []
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            found += [Import(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            source = node.module or ""
            for alias in node.names:
                full = f"{source}.{alias.name}"
                found.append(Import(full if full in FILES else source, node.lineno))
    return tuple(found)


def own(module: str) -> list[Import]:
    """What a module imports of the project."""
    return [found for found in imports(module) if found.module.partition(".")[0] in FLOORS]


def addresses(module: str) -> list[str]:
    """The strings of a module that name something to be imported later: `module:attribute`."""
    return [
        node.value
        for node in ast.walk(tree(module))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and ADDRESS.fullmatch(node.value)
    ]


def of_every(names: Iterable[str]) -> Callable[[Callable[[str], None]], Callable[[], None]]:
    """Make a test of one module one of all, in which every failure is told."""

    def of_all(check: Callable[[str], None]) -> Callable[[], None]:
        def test() -> None:
            failures = []
            for name in names:
                try:
                    check(name)
                except AssertionError as failure:
                    failures.append(f"{name}: {failure}")
            assert not failures, "\n".join(failures)

        return test

    return of_all


def test_every_module_has_a_row_and_every_row_a_module() -> None:
    assert sorted(ROWS) == MODULES


def test_the_map_reads_from_the_bottom_up() -> None:
    heights = [row.height for row in ROWS.values()]
    assert heights == sorted(heights)
    by_section: dict[str, list[Row]] = {}
    for row in ROWS.values():
        by_section.setdefault(row.section, []).append(row)
    for rows in by_section.values():
        keys = [(row.order, row.module) for row in rows]
        assert keys == sorted(keys)


@of_every(MODULES)
def test_imports_go_down_only(module: str) -> None:
    upward = [
        f"{FILES[module].relative_to(ROOT)}:{found.line} imports {found.module}"
        for found in own(module)
        if found.module not in PACKAGES
        and not ROWS[module].may_import(ROWS[found.module])
        and (module, found.module) not in EXCEPTIONS
    ]
    assert not upward


@of_every(MODULES)
def test_a_package_is_never_imported_for_what_its_init_holds(module: str) -> None:
    assert not [found for found in own(module) if found.module in PACKAGES]


def test_the_exceptions_are_needed() -> None:
    for module, imported in EXCEPTIONS:
        assert imported in [found.module for found in own(module)] + later(module)
        assert not ROWS[module].may_import(ROWS[imported])


def later(module: str) -> list[str]:
    """The modules that a module names as addresses."""
    return [address.partition(":")[0] for address in addresses(module)]


def test_floors_lie_on_each_other_in_their_order() -> None:
    for module in MODULES:
        floor = FLOORS.index(module.partition(".")[0])
        for found in own(module):
            assert FLOORS.index(found.module.partition(".")[0]) <= floor


def test_what_is_imported_late_exists_and_lies_further_down() -> None:
    commands = set()
    for module in MODULES:
        for address in addresses(module):
            target, _, attribute = address.partition(":")
            assert target in ROWS, f"{module} names {address}"
            assert attribute in _defined(target), f"{module} names {address}"
            is_command = module.startswith("edge.cli.") and target.startswith("edge.cli.")
            commands |= {target} if is_command else set()
            allowed = ROWS[module].may_import(ROWS[target]) or (module, target) in EXCEPTIONS
            assert is_command or allowed, f"{module} names {address}"
    assert commands, "the table of commands has moved: teach this test to read it"


def _defined(module: str) -> set[str]:
    """The names that a module binds at its top."""
    names = set()
    for node in tree(module).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return names


def test_imports_are_made_late_in_few_places() -> None:
    late = {
        module
        for module in MODULES
        for node in ast.walk(tree(module))
        if (isinstance(node, ast.Attribute) and node.attr == "import_module")
        or (isinstance(node, ast.Name) and node.id in ("import_module", "__import__"))
        or (
            isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and any(isinstance(inner, ast.Import | ast.ImportFrom) for inner in ast.walk(node))
        )
    }
    assert late == LATE


@of_every(MODULES)
def test_third_party_packages_are_named_only_by_their_owners(module: str) -> None:
    strangers = []
    for found in imports(module):
        package = found.module.partition(".")[0]
        is_ours = package in FLOORS
        is_standard = package in sys.stdlib_module_names and package not in OWNERS
        if is_ours or is_standard:
            continue
        owners = OWNERS.get(package, ())
        if not any(fnmatch(module, owner) for owner in owners):
            strangers.append(f"{FILES[module].relative_to(ROOT)}:{found.line} names {package}")
    assert not strangers


def test_every_owner_owns() -> None:
    for package, owners in OWNERS.items():
        for owner in owners:
            users = [m for m in MODULES if fnmatch(m, owner)]
            named = {found.module.partition(".")[0] for user in users for found in imports(user)}
            assert package in named, f"{owner} does not name {package} any more"


PURE = [row.module for row in ROWS.values() if row.pure]


@of_every(PURE)
def test_pure_modules_name_no_clock_socket_loop_logger_or_environment(module: str) -> None:
    named = {found.module.partition(".")[0] for found in imports(module)}
    assert not named & EFFECTS


@of_every(PURE)
def test_pure_modules_import_pure_modules(module: str) -> None:
    assert not [found for found in own(module) if not ROWS[found.module].pure]


@of_every(MODULES)
def test_a_module_says_what_it_is_and_whether_it_is_pure(module: str) -> None:
    said = ast.get_docstring(tree(module))
    assert said
    assert len(said.splitlines()[0]) > len("Does it.")
    if re.search(r"\bPure\b", said):
        assert ROWS[module].pure


@of_every(sorted(PACKAGES))
def test_an_init_file_is_a_docstring(package: str) -> None:
    _, *rest = tree(package).body
    assert ast.get_docstring(tree(package))
    if package in FACES:
        assert all(isinstance(node, ast.ImportFrom | ast.Assign) for node in rest)
        assert all(found.module.startswith(f"{package}.") for found in imports(package))
    else:
        assert not rest


@of_every(MODULES)
def test_imports_are_absolute(module: str) -> None:
    relative = [
        node.lineno
        for node in ast.walk(tree(module))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert not relative


@of_every(MODULES)
def test_a_file_can_be_read_in_one_sitting(module: str) -> None:
    lines = FILES[module].read_text().count("\n")
    assert lines <= LONGEST_FILE
    long = [
        f"{node.name}: {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(tree(module))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > LONGEST_FUNCTION
    ]
    assert not long
