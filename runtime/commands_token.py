"""`waystation token`: who may use the API, and links that sign a browser in."""

from __future__ import annotations

from typing import Annotated

import typer

from domain.errors import NotFound
from runtime.installation import Installation
from runtime.output import moment, say, show_table

app = typer.Typer(no_args_is_help=True, help="API tokens and sign-in links.")
DAY_MS = 86_400_000


@app.command()
def create(
    name: Annotated[str, typer.Option(help="Who uses it, such as `county dashboard`.")],
    scope: Annotated[list[str], typer.Option(help="A right; give it several times for several.")],
    area: Annotated[
        str, typer.Option(help="First digits of a division (3310) or a station; `33` is all of Zhejiang.")
    ],
    days: Annotated[int, typer.Option(min=1, max=3650, help="How long it is valid.")] = 365,
) -> None:
    """Make a token and show it, this once.

    Example: ./waystation token create --name "county dashboard" --scope alerts:read --area 331002 --days 90
    """
    from storage import audit, tokens

    here = Installation.from_environment()
    now_ms = here.now_ms()
    database = here.database()
    try:
        with database.write() as connection:
            row, text = tokens.create(
                connection,
                name=name,
                scopes=scope,
                area=area,
                now_ms=now_ms,
                expires_ms=now_ms + days * DAY_MS,
            )
            audit.note(
                connection,
                now_ms,
                "cli",
                "token.create",
                row.id,
                "ok",
                {"scopes": sorted(row.scopes), "area": area},
            )
    finally:
        database.close()
    say(text)
    say(f"Token {row.id}, valid until {moment(row.expires_ms)}; its text is kept nowhere, so keep it now.")


@app.command("list")
def list_() -> None:
    """Show all tokens, without their secrets.

    Example: ./waystation token list
    """
    from storage import tokens

    here = Installation.from_environment()
    database = here.database()
    try:
        with database.read() as connection:
            rows = tokens.all_tokens(connection)
    finally:
        database.close()
    now_ms = here.now_ms()
    show_table(
        ("id", "name", "area", "scopes", "state", "until", "last used"),
        (
            (
                row.id,
                row.name,
                row.area or "everywhere",
                " ".join(sorted(row.scopes)),
                "revoked" if row.revoked_ms is not None else "valid" if row.usable(now_ms) else "expired",
                moment(row.expires_ms),
                moment(row.last_used_ms),
            )
            for row in rows
        ),
        "There is no token yet: ./waystation token create --help",
    )


@app.command()
def revoke(token: Annotated[str, typer.Argument(help="The id, as `token list` shows it.")]) -> None:
    """End a token and every session that came from it.

    Example: ./waystation token revoke 7k2m9qwx4b
    """
    from storage import audit, tokens

    here = Installation.from_environment()
    database = here.database()
    try:
        with database.write() as connection:
            if not tokens.revoke(connection, token, here.now_ms()):
                raise NotFound(f"There is no valid token {token[:40]}; `./waystation token list` shows them.")
            audit.note(connection, here.now_ms(), "cli", "token.revoke", token, "ok")
    finally:
        database.close()
    say(f"Token {token} is revoked.")


@app.command()
def link(
    token: Annotated[
        str | None, typer.Option(help="The id of the token whose rights it gives; otherwise all of staff.")
    ] = None,
) -> None:
    """Make a link that signs one browser in, once, within 15 minutes.

    Example: ./waystation token link
    """
    from runtime.sign_in import sign_in_link, staff_token
    from storage import audit, tokens

    here = Installation.from_environment()
    now_ms = here.now_ms()
    database = here.database()
    try:
        with database.write() as connection:
            id_ = token or staff_token(connection, here.var_dir, now_ms)
            secret = tokens.new_sign_in(connection, id_, now_ms)
            audit.note(connection, now_ms, "cli", "token.link", id_, "ok")
    finally:
        database.close()
    say(sign_in_link(here.settings.base_url, secret))
