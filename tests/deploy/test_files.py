"""What is shipped for containers is valid, careful, and holds no secret."""

from __future__ import annotations

import re
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from runtime.secret_files import SECRETS
from runtime.settings import TREE, environment_names
from tests.deploy.compose_file import compose, understood

DOCKERFILE = (TREE / "Dockerfile").read_text("utf-8")
RAW = yaml.safe_load((TREE / "docker-compose.yml").read_text("utf-8"))
SERVICES: list[str] = sorted(RAW["services"])
LASTING = [name for name in SERVICES if name != "prepare"]
OPEN_PORTS = {"broker": 8883, "proxy": 8443, "grafana": 3000}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    found: dict[str, Any] = understood(tmp_path_factory.mktemp("secrets"))["services"]
    return found


def test_compose_understands_the_file_and_finds_every_part(whole: dict[str, Any]) -> None:
    assert set(SERVICES) - {"grafana"} <= set(whole)
    assert {"broker", "gateway", "api", "courier", "sim", "postgres", "influxdb", "proxy"} <= set(whole)


def test_without_secrets_nothing_starts_and_one_sentence_says_why() -> None:
    said = compose("up", "-d")

    assert said.returncode != 0
    assert "There are no secrets yet, so nothing was started; make them once with deploy/make-secrets" in (
        said.stderr
    )


@pytest.mark.parametrize("name", LASTING)
def test_a_container_that_stays_is_watched_and_started_again(whole: dict[str, Any], name: str) -> None:
    service = whole[name]

    assert service["healthcheck"]["test"][0] == "CMD"
    assert service["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_may_do_no_more_than_it_must(whole: dict[str, Any], name: str) -> None:
    service = whole[name]
    uid = int(service["user"].split(":")[0])

    assert uid > 0
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "privileged" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert int(service["mem_limit"]) > 0
    assert service["pids_limit"] > 0
    assert service["logging"]["options"] == {"max-size": "10m", "max-file": "5"}
    assert not any("docker.sock" in str(volume) for volume in service.get("volumes", []))


@pytest.mark.parametrize("name", SERVICES)
def test_no_secret_stands_in_the_environment_or_on_a_command_line(whole: dict[str, Any], name: str) -> None:
    service = whole[name]
    for setting, value in (service.get("environment") or {}).items():
        if re.search(r"PASSWORD|TOKEN|SECRET|DATABASE_URL", setting):
            assert str(value).startswith("/run/secrets/"), setting
    assert not re.search(r"password|token=", " ".join(service.get("command") or []), re.IGNORECASE)


@pytest.mark.parametrize("name", SERVICES)
def test_only_what_is_documented_is_open_and_at_first_to_this_machine_only(
    whole: dict[str, Any], name: str
) -> None:
    ports = whole[name].get("ports", [])

    assert [port["target"] for port in ports] == [OPEN_PORTS[name]] if name in OPEN_PORTS else not ports
    assert all(port["host_ip"] == "127.0.0.1" for port in ports)
    assert "network_mode" not in whole[name]


def test_who_has_no_business_outside_has_no_way_out(whole: dict[str, Any]) -> None:
    outside = {name for name in whole if "outside" in whole[name]["networks"]}

    assert outside <= {"broker", "courier", "grafana", "proxy"}
    assert RAW["networks"]["inside"] == {"internal": True}


@pytest.mark.parametrize("name", SERVICES)
def test_each_part_of_the_hub_has_a_volume_of_its_own_and_no_other_keys(
    whole: dict[str, Any], name: str
) -> None:
    named = {one["source"] for one in whole[name].get("volumes", []) if one["type"] == "volume"}
    parts = {"broker", "gateway", "api", "courier", "sim"}

    if name == "prepare":
        assert named == {"hub", "scrape", *parts}, "it hands the keys out, and ends"
    elif name in parts:
        assert named == {name}
        assert [one["target"] for one in whole[name]["volumes"]] == ["/var/waystation"]
    else:
        assert named.isdisjoint({"hub", *parts})


def test_the_token_of_influxdb_with_all_rights_is_for_those_two_who_set_it_up(whole: dict[str, Any]) -> None:
    holders = {
        name
        for name, service in whole.items()
        if any(one["source"] == "influx_token" for one in service.get("secrets", []))
    }

    assert holders == {"prepare", "influxdb"}


def test_every_setting_exists(whole: dict[str, Any]) -> None:
    known = {*environment_names(), *(f"{name}_FILE" for name in SECRETS)}
    named = {one for service in whole.values() for one in service.get("environment") or {}}

    assert {one for one in named if one.startswith("WAYSTATION_")} <= known


def test_images_have_exact_versions() -> None:
    for name, service in RAW["services"].items():
        assert re.search(r":v?\d+(\.\d+)*(-\w+)?$", service["image"]), name


def test_the_dockerfile_needs_no_new_builder() -> None:
    lines = [line for line in DOCKERFILE.splitlines() if not line.startswith("#")]

    assert not DOCKERFILE.startswith("# syntax")
    for word in ("--mount", "--link", "--chmod", "--exclude", "<<", "--platform", "TARGETARCH", "--network"):
        assert word not in "\n".join(lines).replace("apt-get", ""), word


def test_the_image_is_no_root_and_takes_only_what_was_locked() -> None:
    assert re.search(r"(?m)^USER 10001:10001$", DOCKERFILE)
    assert "--require-hashes" in DOCKERFILE
    assert "-r requirements.lock" in DOCKERFILE


def test_what_is_secret_or_kept_stays_out_of_the_image() -> None:
    lines = (TREE / ".dockerignore").read_text("utf-8").splitlines()
    let_in = {line.removeprefix("!") for line in lines if line.startswith("!")}

    assert "*" in lines
    assert let_in.isdisjoint({"var", "deploy", "deploy/secrets", ".env", ".git", "tests"})
    assert all((TREE / name).exists() for name in let_in)
    code = {path.parent.name for path in TREE.glob("*/__init__.py")} - {"tests", "bench"}
    assert code <= let_in, "a package that runs is not in the image"


def make_secrets(tree: Path, *words: str) -> subprocess.CompletedProcess[str]:
    (tree / "deploy").mkdir(exist_ok=True)
    shutil.copy(TREE / "deploy" / "make-secrets", tree / "deploy")
    return subprocess.run([tree / "deploy" / "make-secrets", *words], capture_output=True, text=True)


needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")


@needs_openssl
@pytest.mark.integration
def test_secrets_are_made_once_each_another_and_only_for_their_owner(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    said = ""
    for tree in (first, second):
        tree.mkdir()
        made = make_secrets(tree)
        assert made.returncode == 0, made.stderr
        said += made.stdout

    folder = first / "deploy" / "secrets"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((first / ".env").stat().st_mode) == 0o600
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    for name, held in before.items():
        assert held != (second / "deploy" / "secrets" / name).read_bytes(), name
        assert held.decode().strip() not in said
        if name.endswith(("password", "token")):
            assert len(held) == 48
    assert make_secrets(first).returncode == 0
    assert before == {path.name: path.read_bytes() for path in folder.iterdir()}
    assert set(before) == {*RAW["secrets"], "ca.key"}


@needs_openssl
@pytest.mark.integration
def test_a_new_certificate_of_the_broker_leaves_alone_what_somebody_put_before_the_pages(
    tmp_path: Path,
) -> None:
    assert make_secrets(tmp_path).returncode == 0
    folder = tmp_path / "deploy" / "secrets"
    first = (folder / "pages.pem").read_bytes()
    assert first == (folder / "server.pem").read_bytes()

    (folder / "server.pem").unlink()
    assert make_secrets(tmp_path).returncode == 0
    assert first != (folder / "pages.pem").read_bytes() == (folder / "server.pem").read_bytes()

    for name in ("pages.pem", "pages.key"):
        (folder / name).unlink()
        (folder / name).write_text("from elsewhere", encoding="ascii")
    (folder / "server.pem").unlink()
    assert make_secrets(tmp_path).returncode == 0
    assert (folder / "pages.pem").read_text("ascii") == "from elsewhere"


@needs_openssl
@pytest.mark.integration
@pytest.mark.parametrize("name", ["yizhan.example.org", "192.0.2.7"])
def test_the_certificate_is_for_the_name_that_was_asked_for_and_lives_within_limits(
    tmp_path: Path, name: str
) -> None:
    assert make_secrets(tmp_path, name).returncode == 0
    folder = tmp_path / "deploy" / "secrets"
    kind = "-verify_ip" if name[0].isdigit() else "-verify_hostname"
    checked = subprocess.run(
        ["openssl", "verify", "-purpose", "sslserver", "-CAfile", folder / "ca.pem", kind, name,
         folder / "server.pem"],
        capture_output=True, text=True,
    )  # fmt: skip

    assert checked.returncode == 0, checked.stderr
    assert "HUB_ADDRESS=0.0.0.0" in (tmp_path / ".env").read_text("utf-8").splitlines()
    # Phones refuse certificates that live for more than 398 days.
    ends: list[str | Path] = [
        "openssl",
        "x509",
        "-in",
        folder / "server.pem",
        "-noout",
        "-checkend",
        str(398 * 86_400),
    ]
    assert subprocess.run(ends, capture_output=True).returncode == 1


@needs_openssl
@pytest.mark.integration
@pytest.mark.parametrize("name", ["", "a b", "-x", "a;b", "$(id)"])
def test_what_is_no_name_is_refused_before_anything_is_made(tmp_path: Path, name: str) -> None:
    refused = make_secrets(tmp_path, name)

    assert (refused.returncode, refused.stdout) == (1, "")
    assert "is no host name and no address" in refused.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["deploy"]
