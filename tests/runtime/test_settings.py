"""Settings are right or the start stops with a sentence."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from domain.errors import BadSettings
from runtime.settings import TREE, Settings, environment_names, load_settings

SETTINGS_PAGE = (TREE / "docs/settings.md").read_text("utf-8")


def test_an_empty_environment_gives_a_hub_that_only_this_machine_can_reach() -> None:
    settings = load_settings({})

    assert (settings.bind, settings.mqtt_bind) == ("127.0.0.1", "127.0.0.1")
    assert settings.base_url == "http://127.0.0.1:8600"
    assert settings.store_url == f"sqlite:///{TREE}/var/waystation.sqlite3"


def test_names_of_others_and_of_the_suite_are_left_alone() -> None:
    assert load_settings({"PATH": "/bin", "WAYSTATION_TEST_KILLS": "3"}) == load_settings({})


def test_an_empty_value_is_the_same_as_none() -> None:
    assert load_settings({"WAYSTATION_API_PORT": ""}).api_port == 8600


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        load_settings({}).api_port = 1  # type: ignore[misc]


def test_the_constructor_does_not_look_at_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAYSTATION_API_PORT", "8999")

    assert Settings().api_port == 8600


@pytest.mark.parametrize(
    ("name", "closest"),
    [
        ("WAYSTATION_PROT", "WAYSTATION_API_PORT"),
        ("WAYSTATION_STATION", "WAYSTATION_STATIONS"),
        ("WAYSTATION_DB_URL", "WAYSTATION_DATABASE_URL"),
        ("waystation_bind", "WAYSTATION_BIND"),
    ],
)
def test_an_unknown_name_stops_the_start_and_names_the_closest(name: str, closest: str) -> None:
    with pytest.raises(BadSettings) as caught:
        load_settings({name: "9"})

    assert f"There is no setting {name}; the closest is {closest} " in str(caught.value)


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"WAYSTATION_API_PORT": "99999"}, "WAYSTATION_API_PORT is '99999'"),
        ({"WAYSTATION_API_PORT": "http"}, "WAYSTATION_API_PORT is 'http'"),
        ({"WAYSTATION_BIND": "here"}, "must be an IP address of this machine"),
        ({"WAYSTATION_SERIES": "files"}, "'sql' or 'influx'"),
        ({"WAYSTATION_PUBLIC_URL": "yizhan.example"}, "must begin with http:// or https://"),
        ({"WAYSTATION_STATIONS": "-1"}, "WAYSTATION_STATIONS is '-1'"),
        ({"WAYSTATION_API_PORT": "8622"}, "WAYSTATION_API_PORT and WAYSTATION_NATS_PORT are both 8622"),
        ({"WAYSTATION_MQTT_BIND": "0.0.0.0"}, "set WAYSTATION_MQTT_CERTIFICATE and WAYSTATION_MQTT_KEY too"),
        ({"WAYSTATION_MQTT_KEY": "key.pem"}, "must be set together"),
        ({"WAYSTATION_SERIES": "influx"}, "WAYSTATION_INFLUX_URL must be set too"),
        ({"WAYSTATION_WEBHOOK_URL": "https://a.example"}, "WAYSTATION_WEBHOOK_SECRET must be set too"),
    ],
)
def test_a_value_that_cannot_be_used_is_one_sentence(environ: dict[str, str], said: str) -> None:
    with pytest.raises(BadSettings) as caught:
        load_settings(environ)

    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_two_mistakes_are_two_sentences() -> None:
    with pytest.raises(BadSettings) as caught:
        load_settings({"WAYSTATION_API_PORT": "x", "WAYSTATION_BIND": "y"})

    assert len(str(caught.value).splitlines()) == 2


def test_a_secret_is_in_no_message_and_in_no_print() -> None:
    with pytest.raises(BadSettings) as caught:
        load_settings({"WAYSTATION_DATABASE_URL": "mysql://root:hunter2@db"})
    shown = repr(
        load_settings(
            {
                "WAYSTATION_DATABASE_URL": "postgresql://root:hunter2@db/x",
                "WAYSTATION_WEBHOOK_SECRET": "hunter2",
                "WAYSTATION_INFLUX_TOKEN": "hunter2",
            }
        )
    )

    assert "hunter2" not in str(caught.value) + shown


def test_relative_paths_count_from_the_tree(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load_settings({"WAYSTATION_VAR_DIR": "elsewhere", "WAYSTATION_RULEBOOK": "/etc/rules.yaml"})

    assert settings.var_dir == TREE / "elsewhere"
    assert settings.rulebook == Path("/etc/rules.yaml")


@pytest.mark.parametrize(
    ("bind", "address"),
    [
        ("0.0.0.0", "http://127.0.0.1:8600"),
        ("::1", "http://[::1]:8600"),
        ("localhost", "http://127.0.0.1:8600"),
    ],
)
def test_the_address_shown_is_one_that_can_be_opened(bind: str, address: str) -> None:
    assert load_settings({"WAYSTATION_BIND": bind}).base_url == address


def test_every_setting_has_its_heading_and_no_heading_is_left_over() -> None:
    assert sorted(re.findall(r"^### (\S+)", SETTINGS_PAGE, re.MULTILINE)) == sorted(environment_names())


@pytest.mark.parametrize("field", Settings.model_fields)
def test_the_page_names_the_right_default(field: str) -> None:
    default = Settings.model_fields[field].default
    section = SETTINGS_PAGE.split(f"### WAYSTATION_{field.upper()}\n")[1].split("\n#")[0]
    if isinstance(default, (bool, int)) or (isinstance(default, (str, Path)) and str(default)):
        assert f"Default `{str(default).lower()}`" in section
    else:
        assert "Default:" in section or "Needed with" in section
