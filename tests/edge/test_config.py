"""Settings: precedence, errors that name what to change, and what is published from them."""

from pathlib import Path

import pytest

from edge.config import SETTINGS, Config, as_plain, base_url, from_plain, function_url
from edge.config_loading import ConfigError, default_data_dir, load
from edge.config_shown import print_config, table

HOME = {"HOME": "/home/ana"}
DOCS = Path(__file__).parents[2] / "docs" / "configuration.md"


def toml(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "edge.toml"
    file.write_text(text)
    return file


def config(**values: object) -> Config:
    return load(values, HOME, None, root=False).config


def test_flag_wins_over_environment_over_toml_over_default(tmp_path: Path) -> None:
    file = toml(tmp_path, 'workers = 2\ndomain = "toml.example"\nqueue = 7')
    environ = HOME | {"JELOU_WORKERS": "3", "JELOU_DOMAIN": "env.example"}
    loaded = load({"workers": 4, "domain": None}, environ, file)
    read = loaded.config
    assert (read.workers, read.domain, read.queue, read.in_flight) == (4, "env.example", 7, 1024)
    origins = [loaded.origins[name] for name in ("workers", "domain", "queue", "in_flight")]
    assert origins[:2] == ["flag --workers", "environment JELOU_DOMAIN"]
    assert origins[2:] == [f"{file}, key queue", "default"]


def test_every_problem_is_reported_at_once_with_where_and_what_to_write(tmp_path: Path) -> None:
    file = toml(tmp_path, 'worker = 2\nkeep_alive = "soon"\ncertfile = "a.pem"')
    with pytest.raises(ConfigError) as raised:
        load({"bind": ("localhost",)}, {"JELOU_WORKERS": "none"}, file)
    text = "\n".join(raised.value.problems)
    assert len(raised.value.problems) == 5
    for part in (
        'unknown key "worker"; did you mean "workers"?',
        'keep_alive: "soon" is not a duration',
        'flag --bind: "localhost" is not an address',
        "environment JELOU_WORKERS: 'none' must be a whole number",
        "certfile needs keyfile",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("bind", "127.0.0.1:0,[::1]:8080,unix:/run/e.sock", None),
        ("drain_timeout", "1.5", 1.5),
        ("keep_alive", "5m", 300.0),
        ("mcp_body", "4MiB", 4194304),
        ("auth_failures", "50", 50),
        ("path_addressing", "off", False),
        ("fast_lane", "off", False),
        ("loop", "UVLoop", "uvloop"),
        ("trusted_proxies", "10.0.0.1/8, ::1", ("10.0.0.0/8", "::1/128")),
        ("accept_tokens_in", "authorization", ("x-jelou-token", "authorization")),
        ("domain", "FN.Example.", "fn.example"),
        ("public_url", "https://edge.example/", "https://edge.example"),
    ],
)
def test_a_variable_is_read_as_its_kind(name: str, text: str, value: object) -> None:
    expected = value or tuple(text.split(",")) if value is not False else False
    read = load({}, {f"JELOU_{name.upper()}": text}, None).config
    assert getattr(read, name) == expected


@pytest.mark.parametrize("text", ["off", "OFF", "null"])
def test_a_limit_that_can_be_turned_off_stays_off_in_the_workers(text: str) -> None:
    config = load({}, {"JELOU_AUTH_FAILURES": text}, None).config
    assert config.auth_failures is None
    assert from_plain(as_plain(config)) == config


def test_toml_turns_it_off_too(tmp_path: Path) -> None:
    for text in ('"off"', "false"):
        (tmp_path / "edge.toml").write_text(f"auth_failures = {text}\n")
        assert load({}, {}, tmp_path / "edge.toml").config.auth_failures is None


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("bind", "127.0.0.1:65536"),
        ("bind", "unix:relative"),
        ("bind", "[::g]:1"),
        ("workers", "0"),
        ("workers", "1.5"),
        ("trusted_proxies", "10.0.0.0/33"),
        ("accept_tokens_in", "cookie"),
        ("domain", "-a.example"),
        ("public_url", "ftp://edge.example"),
        ("public_url", "https://edge.example/?q"),
        ("keep_alive", "-1"),
        ("path_addressing", "perhaps"),
        ("loop", "trio"),
        ("fast_lane", "maybe"),
        ("mcp_body", "4 parsecs"),
        ("auth_failures", "0"),
        ("auth_failures", "many"),
    ],
)
def test_bad_values_are_refused_and_name_their_variable(name: str, text: str) -> None:
    with pytest.raises(ConfigError, match=f"JELOU_{name.upper()}"):
        load({}, {f"JELOU_{name.upper()}": text}, None)


def test_a_password_in_public_url_is_refused_without_being_repeated() -> None:
    with pytest.raises(ConfigError) as raised:
        load({"public_url": "https://me:hunter2@edge.example"}, {}, None)
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize("address", ["0.0.0.0:9000", "[::]:9000", "edge.example:9000"])
def test_an_admin_address_that_others_can_reach_needs_tls(address: str) -> None:
    with pytest.raises(ConfigError, match="certfile and keyfile"):
        load({"admin": address}, {}, None)
    tls = {"certfile": "c", "keyfile": "k"}
    assert load({"admin": address} | tls, {}, None).config.admin == address
    assert load({"admin": "127.0.0.1:9000"}, {}, None).config.admin == "127.0.0.1:9000"


def test_a_file_says_of_which_version_it_is(tmp_path: Path) -> None:
    assert load({}, {}, toml(tmp_path, "version = 1\nworkers = 3")).config.workers == 3
    for version in ("2", '"1"', "1.5"):
        with pytest.raises(ConfigError, match="of another program; this one reads version 1"):
            load({}, {}, toml(tmp_path, f"version = {version}\nnew_key = 3"))


def test_toml_that_cannot_be_read_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"missing\.toml: cannot be read"):
        load({}, {}, tmp_path / "missing.toml")
    with pytest.raises(ConfigError, match="not valid TOML"):
        load({}, {}, toml(tmp_path, "workers ="))


@pytest.mark.parametrize(
    ("flags", "environ", "root", "expected"),
    [
        ({"data_dir": "/d"}, {"JELOU_DATA_DIR": "/e", "XDG_DATA_HOME": "/x"}, True, "/d"),
        ({}, {"JELOU_DATA_DIR": "/e", "XDG_DATA_HOME": "/x"}, True, "/e"),
        ({}, {"XDG_DATA_HOME": "/x"}, False, "/x/jelou-edge"),
        ({}, HOME, False, "/home/ana/.local/share/jelou-edge"),
        ({}, {"XDG_DATA_HOME": "relative"} | HOME, False, "/home/ana/.local/share/jelou-edge"),
        ({}, HOME, True, "/var/lib/jelou-edge"),
    ],
)
def test_data_directory(
    flags: dict[str, str], environ: dict[str, str], root: bool, expected: str
) -> None:
    assert load(flags, environ, None, root=root).config.data_dir == Path(expected)


def test_default_data_directory_ignores_the_settings_own_variable() -> None:
    assert default_data_dir({"JELOU_DATA_DIR": "/e"}, root=True) == Path("/var/lib/jelou-edge")


@pytest.mark.parametrize(
    ("values", "bound", "base", "function"),
    [
        ({}, ["127.0.0.1:8080"], "http://127.0.0.1:8080", "http://127.0.0.1:8080/shop"),
        ({}, ["0.0.0.0:80"], "http://127.0.0.1", "http://127.0.0.1/shop"),
        ({}, ["[::]:9000"], "http://[::1]:9000", "http://[::1]:9000/shop"),
        ({}, ["unix:/e.sock", "[::1]:1"], "http://[::1]:1", "http://[::1]:1/shop"),
        ({}, ["unix:/e.sock"], "http://localhost", "http://localhost/shop"),
        (
            {"domain": "fn.example"},
            ["127.0.0.1:8080"],
            "http://127.0.0.1:8080",
            "http://shop.fn.example:8080",
        ),
        (
            {"certfile": "c", "keyfile": "k", "domain": "fn.example"},
            ["0.0.0.0:443"],
            "https://127.0.0.1",
            "https://shop.fn.example",
        ),
        (
            {"public_url": "https://edge.example/base"},
            ["127.0.0.1:1"],
            "https://edge.example/base",
            "https://edge.example/base/shop",
        ),
        (
            {"public_url": "https://fn.example", "domain": "fn.example"},
            ["127.0.0.1:1"],
            "https://fn.example",
            "https://shop.fn.example",
        ),
        (
            {"public_url": "https://edge.example", "domain": "fn.example"},
            ["127.0.0.1:1"],
            "https://edge.example",
            "https://edge.example/shop",
        ),
        (
            {"path_addressing": False},
            ["127.0.0.1:8080"],
            "http://127.0.0.1:8080",
            "http://shop.fn.localhost:8080",
        ),
    ],
)
def test_published_addresses(
    values: dict[str, object], bound: list[str], base: str, function: str
) -> None:
    assert base_url(config(**values), bound) == base
    assert function_url(config(**values), bound, "shop") == function


def test_print_config_is_a_toml_file_that_gives_the_same_configuration(tmp_path: Path) -> None:
    given = {
        "bind": ("127.0.0.1:0", "unix:/e.sock"),
        "path_addressing": False,
        "data_dir": '/a"b\\c',
        "public_url": "https://e.example",
    }
    loaded = load(given, {}, None)
    shown = print_config(loaded)
    assert 'bind = ["127.0.0.1:0", "unix:/e.sock"]  # flag --bind' in shown
    assert "# workers = 1  # default" in shown
    assert load({}, {}, toml(tmp_path, shown)).config == loaded.config


def test_a_worker_reads_the_configuration_that_the_parent_wrote() -> None:
    read = config(domain="a.example", project=("/p",), certfile="c", keyfile="k")
    assert from_plain(as_plain(read)) == read


def test_the_documented_table_is_the_declared_one() -> None:
    assert table() in DOCS.read_text()


def test_every_field_of_the_configuration_is_a_setting() -> None:
    names = set(Config.__dataclass_fields__) - {"domain_given", "turn"}
    assert names == {setting.name for setting in SETTINGS}
