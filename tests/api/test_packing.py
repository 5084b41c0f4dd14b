"""Pieces packed once for all, and each reader's own gzip stream of them."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.packing import Gzip, Piece, Plain, takes_gzip


@given(st.lists(st.lists(st.binary(max_size=300).map(Piece), max_size=4), max_size=5))
def test_any_row_of_pieces_is_one_valid_gzip_file(messages: list[list[Piece]]) -> None:
    wanted = b"".join(piece.plain for message in messages for piece in message)
    form, plain = Gzip(), Plain()
    assert gzip.decompress(b"".join([*map(form.add, messages), form.end()])) == wanted
    assert b"".join([*map(plain.add, messages), plain.end()]) == wanted


def test_each_message_can_be_read_when_it_comes() -> None:
    shared = [Piece(b"snapshot " * 1000), Piece(b"change")]
    for _ in range(2):
        form, reader = Gzip(), zlib.decompressobj(31)
        for piece in shared:
            assert reader.decompress(form.add([piece])) == piece.plain
    assert shared[0].packed() is shared[0].packed()
    assert len(shared[0].packed()) < 100


@pytest.mark.parametrize(
    ("accepted", "answer"),
    [
        ("gzip, deflate, br", True),
        ("br;q=1.0, GZIP;q=0.5", True),
        ("*", True),
        ("gzip;q=0", False),
        ("identity", False),
        ("", False),
        ("gzipped", False),
    ],
)
def test_only_who_says_so_gets_gzip(accepted: str, answer: bool) -> None:
    assert takes_gzip(accepted) is answer
