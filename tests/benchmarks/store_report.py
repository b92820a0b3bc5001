"""The store's figures as tables, for the terminal and for `docs/scale.md`. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

BEGIN = "<!-- scale:begin -->"
END = "<!-- scale:end -->"

WORKER: tuple[tuple[str, str, float, str], ...] = (
    ("Opening the store, ms", "open", 1e3, "{:,.2f}"),
    ("Loading all functions, ms of CPU", "load", 1e3, "{:,.1f}"),
    ("Memory that the functions take, MB", "functions_bytes", 1e-6, "{:,.1f}"),
    ("Asking whether anything changed, µs", "current", 1e6, "{:,.2f}"),
    ("Check, token in memory, µs", "hit", 1e6, "{:,.1f}"),
    ("Check, token read from the store, µs", "miss", 1e6, "{:,.0f}"),
    ("Check, no such token, µs", "unknown", 1e6, "{:,.0f}"),
    ("Tokens put in memory", "tokens", 1, "{:,.0f}"),
    ("Memory that those take, MB", "tokens_bytes", 1e-6, "{:,.1f}"),
    ("A worker learns that a token changed, µs", "token_change", 1e6, "{:,.0f}"),
    ("A worker learns that a function changed, µs", "function_change", 1e6, "{:,.0f}"),
    ("A change written and published, ms", "write", 1e3, "{:,.2f}"),
    ("A token created, ms", "create", 1e3, "{:,.2f}"),
    ("A token revoked, ms", "revoke", 1e3, "{:,.2f}"),
    ("A page of a function's tokens, ms", "page", 1e3, "{:,.2f}"),
)
"""A row for each figure of `store_worker.Figures`: its title, key, factor and form."""

SERVED: tuple[tuple[str, str, float, str], ...] = (
    ("`jelou serve` until ready, s", "ready", 1, "{:,.2f}"),
    ("CPU time of that, all processes, s", "start_cpu", 1, "{:,.2f}"),
    ("Memory of the worker then, MB", "memory", 1e-6, "{:,.0f}"),
    ("First request after that, ms", "first", 1e3, "{:,.1f}"),
    ("`jelou tokens create`, s", "create", 1, "{:,.2f}"),
    ("`jelou tokens revoke`, s", "revoke", 1, "{:,.2f}"),
    ("`jelou tokens list` of 10 tokens, s", "list", 1, "{:,.2f}"),
    ("Store on disk, MB", "disk", 1e-6, "{:,.0f}"),
)


def written(page: str, found: Mapping[str, Any]) -> str:
    """A page with the numbers put between its markers."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{render(found)}\n{END}{after}"


def render(found: Mapping[str, Any]) -> str:
    """All tables, with where and when they were measured."""
    sizes = found["sizes"]
    heads = [f"{size['functions']:,} · {size['tokens']:,}" for size in sizes]
    worker = _rows(WORKER, [size["worker"] for size in sizes])
    served = _rows(SERVED, [size["served"] for size in sizes])
    return "\n\n".join(
        [
            _where(found),
            "### A worker\n\n" + _table(["functions · tokens", *heads], worker),
            "### A running edge\n\n" + _table(["functions · tokens", *heads], served),
            "### Revokes under load\n\n" + _revoked(found["revoked"], heads[-1]),
            "### Listing every token\n\n" + _listed(found["listed"]),
        ]
    )


def _where(found: Mapping[str, Any]) -> str:
    at = found["machine"]
    return (
        f"Measured {found['began']}: jelou-edge {found['version']}, Python {found['python']}, "
        f"{at['cpu']}, {at['cpus']} CPUs, {at['memory']}, {at['system']}, {at['kernel']}."
    )


def _rows(
    rows: Sequence[tuple[str, str, float, str]], columns: Sequence[Mapping[str, float]]
) -> list[list[str]]:
    return [
        [title, *(form.format(column[key] * factor) for column in columns)]
        for title, key, factor, form in rows
    ]


def _revoked(found: Mapping[str, Any], size: str) -> str:
    said = (
        f"{found['count']} tokens revoked one after the other on the largest store ({size}); each "
        "was refused by every worker at the first request after its revoke had returned."
    )
    rows = [
        ["until a revoke returned", *(_ms(each) for each in found["command"])],
        ["from then until every worker had refused", *(_ms(each) for each in found["refused"])],
    ]
    return f"{said}\n\n{_table(['ms', 'median', 'most'], rows)}\n\n" + _beside(
        found["quiet"], found["revoking"], "with revokes"
    )


def _listed(found: Mapping[str, Any]) -> str:
    said = (
        f"`jelou tokens list --json` of {found['tokens']:,} tokens took {found['seconds']:.1f} s "
        f"and at most {found['command_memory'] / 1e6:,.0f} MB in the command's own process; the "
        f"worker that it asks grew by {found['worker_memory'] / 1e6:,.1f} MB."
    )
    return f"{said}\n\n" + _beside(found["quiet"], found["listing"], "with the list")


def _beside(quiet: Mapping[str, float], busy: Mapping[str, float], title: str) -> str:
    rows = [
        [name, f"{found['requests']:,}", *(_ms(found[key]) for key in ("p50", "p99", "most"))]
        for name, found in (("alone", quiet), (title, busy))
    ]
    return _table(["other callers", "requests", "p50, ms", "p99, ms", "most, ms"], rows)


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:,.1f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))
