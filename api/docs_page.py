"""The description of the API as one plain page: no script, nothing loaded from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

Json = Mapping[str, Any]
_METHODS = ("get", "post", "put", "patch", "delete")


def render(api: Json, style: str) -> str:
    """HTML for an OpenAPI document; `style` is the address of a style sheet."""
    info = api["info"]
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width,initial-scale=1">',
        f'<title>{escape(info["title"])}</title><link rel="stylesheet" href="{escape(style)}"></head><body>',
        f"<header><h1>{escape(info['title'])} {escape(info['version'])}</h1>",
        f"<p>{escape(info.get('description', ''))}</p>",
        '<p>For programs: <a href="/openapi.json">openapi.json</a>. For people: ',
        '<a href="/">the live overview</a>.</p></header>',
        "<main>",
        *_operations(api),
        "<h2>Shapes</h2>",
        *_shapes(api),
        "</main></body></html>",
    ]
    return "".join(parts)


def _operations(api: Json) -> Iterator[str]:
    groups: dict[str, list[str]] = {}
    for path, methods in api["paths"].items():
        for method in _METHODS:
            if method in methods:
                operation = methods[method]
                groups.setdefault((operation.get("tags") or ["other"])[0], []).append(
                    _one(method, path, operation)
                )
    for tag, found in groups.items():
        yield f'<h2 id="{escape(tag)}">{escape(tag)}</h2>'
        yield from found


def _one(method: str, path: str, operation: Json) -> str:
    needs = [name for one in operation.get("security", []) for name in one]
    rows = [_parameter(one) for one in operation.get("parameters", [])]
    body = operation.get("requestBody", {}).get("content", {})
    for media, content in body.items():
        rows.append(_row("body", media, _type(content.get("schema", {})), ""))
    answers = "".join(_answer(status, one) for status, one in operation.get("responses", {}).items())
    return (
        f'<section><h3><b class="{method}">{method.upper()}</b> <code>{escape(path)}</code></h3>'
        f"<p>{escape(operation.get('description', operation.get('summary', '')))}</p>"
        + (f"<p>Knows you by: {escape(', '.join(dict.fromkeys(needs)))}</p>" if needs else "")
        + (f"<table><tr><th>name<th>in<th>type<th>meaning</tr>{''.join(rows)}</table>" if rows else "")
        + f"<ul>{answers}</ul></section>"
    )


def _parameter(one: Json) -> str:
    schema = one.get("schema", {})
    name = one["name"] + ("" if one.get("required") else "?")
    said = one.get("description") or schema.get("description") or ""
    examples = schema.get("examples") or one.get("examples") or []
    if isinstance(examples, list) and examples:
        said = f"{said} e.g. {examples[0]}".strip()
    return _row(name, one["in"], _type(schema), said)


def _row(*cells: str) -> str:
    return "<tr>" + "".join(f"<td>{escape(cell)}" for cell in cells) + "</tr>"


def _answer(status: str, one: Json) -> str:
    types = [
        f"{media}: {_linked(content.get('schema', {}))}" for media, content in one.get("content", {}).items()
    ]
    return f"<li><b>{escape(status)}</b> {escape(one.get('description', ''))} {'; '.join(types)}</li>"


def _linked(schema: Json) -> str:
    name = _type(schema)
    ref = schema.get("$ref")
    return f'<a href="#{escape(name)}">{escape(name)}</a>' if ref else escape(name)


def _type(schema: Json) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1]
    options = schema.get("anyOf") or schema.get("oneOf")
    if options:
        return " | ".join(dict.fromkeys(_type(one) for one in options))
    if "enum" in schema:
        return " | ".join(json.dumps(one, ensure_ascii=False) for one in schema["enum"])
    if "const" in schema:
        return json.dumps(schema["const"], ensure_ascii=False)
    if schema.get("type") == "array":
        return f"[{_type(schema.get('items', {}))}]"
    return str(schema.get("type", "any"))


def _shapes(api: Json) -> Iterator[str]:
    for name, schema in sorted(api.get("components", {}).get("schemas", {}).items()):
        rows = [
            _row(field, _type(one), one.get("description", ""))
            for field, one in schema.get("properties", {}).items()
        ]
        yield (
            f'<section><h3 id="{escape(name)}"><code>{escape(name)}</code></h3>'
            f"<p>{escape(schema.get('description', ''))}</p><table>{''.join(rows)}</table></section>"
        )


STYLE = """
:root{color-scheme:light dark;--soft:#5a5566;--line:#cfc9da;--brand:#5b2d8e}
@media(prefers-color-scheme:dark){:root{--soft:#b9b2c6;--line:#4a4358;--brand:#c9a6f5}}
body{font:16px/1.5 system-ui,"Noto Sans CJK SC",sans-serif;max-width:60rem;margin:0 auto;padding:1rem}
section{border-top:1px solid var(--line);padding:.4rem 0}
h3{margin:.6rem 0 .2rem;font-size:1.05rem}
h3 b{color:var(--brand)}
p{margin:.2rem 0 .5rem;white-space:pre-line}
table{border-collapse:collapse;width:100%;font-size:.92rem;overflow-wrap:anywhere}
td,th{border-bottom:1px solid var(--line);text-align:left;vertical-align:top;padding:.2rem .5rem .2rem 0}
th{color:var(--soft);font-weight:400}
ul{margin:.4rem 0;padding-left:1.2rem;font-size:.92rem}
a{color:var(--brand)}
"""
