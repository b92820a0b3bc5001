"""`jelou init`: a new project, in an empty directory or beside what is there. Needs no edge."""

from pathlib import Path

import click

from edge.admin.errors import AdminError
from edge.cli import output
from edge.cli.context import Session
from edge.cli.group import command, session
from edge.cli.project_files import FILE
from edge.cli.scaffold import KINDS, MEANINGS, USUAL_URL, Kind, files
from edge.project_file.texts import wrong_slug
from edge.project_file.upstream import BadUpstream, parse_upstream

DESCRIPTION = "Greets somebody by name"


@command("init")
@click.argument("directory", metavar="[DIR]", default=".", type=click.Path(path_type=Path))
@click.option("--slug", metavar="NAME", help="The function's name; the directory's by default.")
@click.option("--kind", type=click.Choice(KINDS), help="What kind of function.")
@click.option("--description", metavar="TEXT", help="What it does, in a sentence.")
@click.option("--url", metavar="URL", help="Where it listens, for the kind url.")
@click.option("--force", is_flag=True, help="Replace files that are there.")
@session
def init(
    session: Session,
    directory: Path,
    slug: str | None,
    kind: Kind | None,
    description: str | None,
    url: str | None,
    force: bool,
) -> None:
    """Start a function: a project file and a first version that works.

    The kinds: define (one Python function), app (several), command (any language; here Node), url
    (a service that runs already). What is not given is asked for at a terminal.
    """
    if url is not None and kind not in (None, "url"):
        raise click.UsageError("--url is for the kind url.")
    slug = _checked(slug or _asked(session, "Function slug", _slug_for(directory)))
    kind = kind or ("url" if url is not None else _kind(session))
    if description is None:
        description = _asked(session, "Description", "" if kind == "url" else DESCRIPTION)
    if kind == "url":
        url = _address(url or _asked(session, "Where does it listen", USUAL_URL))
    made = files(kind, slug, description, url or USUAL_URL)
    _write(directory, made, force=force)
    if session.given.json:
        data = {"function": slug, "kind": kind, "directory": str(directory), "files": [*made]}
        session.out.json({"ok": True, "data": data})
    else:
        session.out.lines(_told(slug, kind, directory, made))


def _slug_for(directory: Path) -> str:
    """The directory's name as a slug, or `my-function`."""
    name = directory.absolute().resolve().name.lower()
    words = "".join(c if c.isascii() and c.isalnum() else " " for c in name).split()
    slug = "-".join(words)[:63].strip("-")
    return slug if slug and wrong_slug(slug) is None else "my-function"


def _asked(session: Session, question: str, default: str) -> str:
    """The answer at a terminal; elsewhere, or where it is empty, the default."""
    if session.given.yes or not session.interactive:
        return default
    shown = f" ({default})" if default else ""
    return session.ask(f"? {question}{shown}: ") or default


def _kind(session: Session) -> Kind:
    if session.given.yes or not session.interactive:
        return "define"
    session.out.lines(f"  {kind:<8} {MEANINGS[kind]}" for kind in KINDS)
    answer = _asked(session, "Kind", "define")
    for kind in KINDS:
        if answer == kind:
            return kind
    raise AdminError("INPUT_ERROR", f"{answer} is no kind of function: {', '.join(KINDS)}")


def _checked(slug: str) -> str:
    wrong = wrong_slug(slug)
    if wrong is not None:
        raise AdminError("INPUT_ERROR", wrong)
    return slug


def _address(url: str) -> str:
    try:
        return parse_upstream(url).url
    except BadUpstream as bad:
        raise AdminError("INPUT_ERROR", str(bad)) from None


def _write(directory: Path, made: dict[str, str], *, force: bool) -> None:
    """Write all files, or none where one is there already."""
    present = [name for name in made if (directory / name).exists()]
    if not force and (FILE in present or present not in ([], [".gitignore"])):
        names = ", ".join(present)
        raise AdminError("INPUT_ERROR", f"{directory} has {names} already; --force replaces it")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, text in made.items():
            if force or name not in present:
                (directory / name).write_text(text, "utf-8")
    except OSError as error:
        message = f"{error.filename} cannot be written: {error.strerror}"
        raise AdminError("INPUT_ERROR", message) from None


def _told(slug: str, kind: Kind, directory: Path, made: dict[str, str]) -> list[str]:
    here = directory.absolute() == Path.cwd()
    where = "" if here else f" {directory}"
    next_ = [f"jelou dev{where}"] if kind != "url" else []
    return [
        output.done(f"Created {slug}"),
        *output.fields(
            [
                ("Files", ", ".join(made)),
                *(("Try it", command) for command in next_),
                ("Deploy", f"jelou deploy{where}"),
            ]
        ),
    ]
