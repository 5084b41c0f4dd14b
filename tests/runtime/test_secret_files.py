"""A secret may come as a file, so that it stands in no list of processes or containers."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.errors import BadSettings
from runtime.secret_files import SECRETS
from runtime.settings import load_settings

URL = "postgresql://waystation:s3cret@db.example/waystation"
NAME = "WAYSTATION_DATABASE_URL"


def test_the_database_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "url").write_text(URL + "\n", encoding="utf-8")

    assert load_settings({f"{NAME}_FILE": str(tmp_path / "url")}).database_url == URL


@pytest.mark.parametrize("name", SECRETS)
def test_an_empty_name_of_a_file_is_the_same_as_none(name: str) -> None:
    assert load_settings({f"{name}_FILE": ""}) == load_settings({})


def test_only_secrets_come_from_files(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="There is no setting WAYSTATION_API_PORT_FILE"):
        load_settings({"WAYSTATION_API_PORT_FILE": str(tmp_path)})


def test_value_and_file_together_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match=f"{NAME} and {NAME}_FILE are both set"):
        load_settings({NAME: URL, f"{NAME}_FILE": str(tmp_path / "url")})


@pytest.mark.parametrize("held", [None, b"", b"\n", b"\xff\xfe", b"two\nlines\n", b"x" * 70_000])
def test_a_file_without_one_line_of_text_stops_the_start_and_its_content_is_not_shown(
    tmp_path: Path, held: bytes | None
) -> None:
    path = tmp_path / "url"
    if held is not None:
        path.write_bytes(held)

    with pytest.raises(BadSettings) as caught:
        load_settings({f"{NAME}_FILE": str(path)})

    assert str(caught.value).startswith(f"{NAME}_FILE is {path}, which ")
    assert "lines" not in str(caught.value)
    assert len(str(caught.value)) < 300
