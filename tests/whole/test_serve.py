"""`jelou serve` as its user meets it: what it prints, deploys at start and takes from where."""

import json
from pathlib import Path

import pytest

from tests.support.edge import isolated
from tests.support.processes import JELOU, run
from tests.support.whole_edge import UNAUTHORIZED, Caller, project, serving
from tests.support.whole_function import Function
from tests.support.whole_processes import eventually
from tokens.secret import parse


def folder(base: Path, slug: str, upstream: str) -> str:
    """A project directory."""
    directory = base / slug
    directory.mkdir()
    (directory / "jelou.json").write_text(project(slug, upstream))
    return str(directory)


def printed(output: str, label: str) -> str:
    """What stands behind a label in the output."""
    return next(line for line in output.splitlines() if label in line).split()[-1]


@pytest.mark.slow
def test_projects_named_at_start_are_deployed_and_their_tokens_shown_once(
    tmp_path: Path, origin: Function
) -> None:
    data_dir = tmp_path / "data"
    flags = [
        *("--project", folder(tmp_path, "shop", origin.url)),
        *("--project", folder(tmp_path, "broken", "ftp://nowhere")),
        *("--project", folder(tmp_path, "mail", origin.url)),
    ]
    with serving(data_dir, *flags, workers=2) as edge:
        eventually(lambda: "mail/mcp" in edge.program.output(), "the last project is deployed")
        output = edge.program.output()
        assert output.count("✓ Deployed") == 2
        assert "broken" in output
        assert f"http://127.0.0.1:{edge.port}/shop" in output
        token = printed(output, "▸ Token")
        assert parse(token, "jfn_rt_") is not None
        assert edge.caller().ask("/shop/hello", token).status == 200
        assert edge.caller().ask("/mail/hello", token).body == UNAUTHORIZED
        assert edge.caller().ask("/broken/hello", token).status == 404
        edge.program.process.terminate()
        assert edge.program.process.wait(20) == 0
    with serving(data_dir, *flags) as edge:
        eventually(lambda: "mail/mcp" in edge.program.output(), "the last project is looked at")
        output = edge.program.output()
        assert output.count("✓ Unchanged") == 2
        assert "▸ Token" not in output
        assert edge.caller().ask("/shop/hello", token).status == 200


def test_every_address_is_served_and_published_ones_follow_the_settings(
    tmp_path: Path, origin: Function
) -> None:
    flags = ("--bind", "127.0.0.1:0", "--bind", "localhost:0", "--domain", "fn.example")
    with serving(tmp_path / "data", *flags) as edge:
        deployed = edge.deploy("shop", origin.url)
        assert deployed.url == f"http://shop.fn.example:{edge.port}"
        caller = edge.caller()
        host = {"Host": f"shop.fn.example:{edge.port}"}
        assert caller.ask("/hello", deployed.token, headers=host).status == 200
        assert caller.ask("/hello", headers=host).headers["www-authenticate"] == (
            'JelouToken realm="shop"'
        )
        also = "▸ Also on http://"
        eventually(lambda: also in edge.program.output(), "the second address is named")
        name, _, port = printed(edge.program.output(), also).rpartition(":")
        second = Caller(int(port), host=name.removeprefix("http://").strip("[]"))
        assert second.ask("/hello", deployed.token, headers=host).status == 200
        second.close()


def test_print_config_shows_each_value_with_its_origin_and_starts_nothing(tmp_path: Path) -> None:
    toml = tmp_path / "edge.toml"
    toml.write_text('domain = "fn.example"\nworkers = 3\n')
    data_dir = tmp_path / "data"
    serve = [*JELOU, "serve", "--print-config", "--config", str(toml), "--bind", "127.0.0.1:9999"]
    env = isolated(data_dir) | {"JELOU_WORKERS": "2"}
    done = run([*serve, "--data-dir", str(data_dir)], env=env)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert 'bind = ["127.0.0.1:9999"]  # flag --bind' in lines
    assert "workers = 2  # environment JELOU_WORKERS" in lines
    assert f'domain = "fn.example"  # {toml}, key domain' in lines
    assert any(line.startswith("# drain_timeout = 10") for line in lines)
    assert not data_dir.exists()
    as_json = run([*serve, "--data-dir", str(data_dir), "--json"], env=env)
    assert json.loads(as_json.stdout)["data"]["workers"]["value"] == 2
