"""`jelou.json`: read or told what is wrong with it, and what is kept of it is read the same."""

from dataclasses import replace

from edge.project_file.parse import as_written, load_project, parse_project, render_project

WORDS = (
    b"function", b"description", b"upstream", b"command", b"entrypoint", b"build", b"scale",
    b"openapi", b"openapiRefresh", b"hosts", b"tools", b"config", b"public", b"mcp", b"methods",
    b"path", b"timeout", b"streamIdle", b"cors", b"origin", b"limits", b"body", b"cron",
    b"expression", b"timezone", b"America/Guayaquil", b"name", b"botId", b"openRoutes", b"oauth",
    b"acceptTokensIn", b"url", b"headers", b"tls", b"caFile", b"verify", b"preserveHost",
    b"rewrite", b"bridge", b"search", b"origins", b"forwardHeaders", b"operationId", b"method",
    b"inputSchema", b"annotations", b"icons", b"title", b"$schema", b"id", b"*", b"/a/*", b"/{x}",
    b"0 9 * * *", b"@daily", b"*/0 * * * *", b"http://127.0.0.1:9000",
    b"https://a.example/base/?x#y", b"http://[", b"http://u:p@h:99999", b"unix:/run/a.sock",
    b"./openapi.json", b"../x", b"/openapi.json", b"null", b"jfn_rt_", b"secret:NAME", b"${NAME}",
    b"POST", b"min", b"max", b"1e400", b"100/m", b"rate",
)  # fmt: skip


def check(data: bytes) -> None:
    """Any text as a project file."""
    text = data.decode("utf-8", "surrogateescape")
    lines = text.count("\n") + 1
    for base in ("", "/srv/app"):
        found = parse_project(text, base=base, domain="fn.example")
        assert (found.project is None) is bool(found.problems)
        assert all(1 <= one.line <= lines for one in (*found.problems, *found.warnings))
        assert all(str(one).isprintable() for one in (*found.problems, *found.warnings))
        if found.project is None:
            continue
        project = found.project  # where a document's file is is known at the deploy alone
        loaded = load_project(project.text)
        assert loaded == (replace(project, document=loaded.document) if base else project)
        assert as_written(project) == project.text
        assert parse_project(project.text, base=base, domain="fn.example").project == project
        assert parse_project(render_project(project), base=base).project == project
