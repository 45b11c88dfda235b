"""Writes docs/http.md from the OpenAPI document of the service itself; `--check` fails where the page differs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from orchestrator.api.app import api_of
from orchestrator.api.state import ApiSettings, ApiState

PAGE = Path(__file__).parent.parent / "docs" / "http.md"
HEAD = """# HTTP reference

Written by `tools/list_endpoints.py` from the document that a running service has at `/openapi.json`.
What a schema cannot say is in [api.md](api.md).
Every answer has `X-Request-ID`. Every error is a [Problem](#problemout).

"""


def document() -> dict[str, Any]:
    """The OpenAPI document. It describes the API, so nothing has to be behind it."""
    nothing: Any = None
    state = ApiState(
        service=nothing, monitor=nothing, settings=ApiSettings(), readiness=nothing, sampler=nothing
    )
    return api_of(state).openapi()


def page() -> str:
    """The whole page: endpoints, then the shapes that they name."""
    told = document()
    parts = [HEAD, "## Endpoints\n"]
    parts += [
        _endpoint(path, method, operation)
        for path, methods in told["paths"].items()
        for method, operation in methods.items()
    ]
    parts.append("\n## Shapes\n")
    parts += [_shape(name, schema) for name, schema in sorted(told["components"]["schemas"].items())]
    return "".join(parts)


def _endpoint(path: str, method: str, operation: dict[str, Any]) -> str:
    lines = [f"\n### {method.upper()} {path}\n", f"\n{_line(operation.get('description', ''))}\n"]
    if rows := list(_parameters(operation)):
        lines += ["\n| parameter | in | type | |\n|---|---|---|---|\n", *rows]
    if "requestBody" in operation:
        (content,) = operation["requestBody"]["content"].values()
        lines.append(f"\nBody: {_type(content['schema'])}\n")
    lines.append("\n| status | answer | when |\n|---|---|---|\n")
    for status, answer in sorted(operation["responses"].items()):
        kinds = ", ".join(
            f"{_type(content.get('schema', {}))} as `{kind}`" for kind, content in answer["content"].items()
        )
        lines.append(f"| {status} | {kinds} | {_line(answer['description'])} |\n")
    return "".join([*lines, _example(operation)])


def _example(operation: dict[str, Any]) -> str:
    for status, answer in sorted(operation["responses"].items()):
        example = answer["content"].get("application/json", {}).get("example")
        if status.startswith("2") and example is not None:
            return f"\n```json\n{json.dumps(example, indent=2, ensure_ascii=False)}\n```\n"
    return ""


def _parameters(operation: dict[str, Any]) -> Iterator[str]:
    for each in operation.get("parameters", ()):
        name = f"`{each['name']}`" + (", required" if each.get("required") else "")
        yield f"| {name} | {each['in']} | {_type(each['schema'])} | {_line(each.get('description', ''))} |\n"


def _shape(name: str, schema: dict[str, Any]) -> str:
    lines = [f"\n### {_title(name)}\n"]
    if about := _line(schema.get("description", "")):
        lines.append(f"\n{about}\n")
    if "enum" in schema:
        return "".join([*lines, "\n" + ", ".join(f"`{value}`" for value in schema["enum"]) + "\n"])
    needed = set(schema.get("required", ()))
    lines.append("\n| field | type | |\n|---|---|---|\n")
    for field, inner in schema.get("properties", {}).items():
        must = ", required" if field in needed else ""
        lines.append(f"| `{field}`{must} | {_type(inner)} | {_line(inner.get('description', ''))} |\n")
    return "".join(lines)


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return f"[{_title(name)}](#{_title(name).lower()})"
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " or ".join(_type(each) for each in schema[several])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    bounds = {
        "minimum": "≥ {}", "exclusiveMinimum": "> {}", "maximum": "≤ {}", "minLength": "at least {} long",
        "maxLength": "at most {} long", "maxItems": "at most {}", "default": "default {}",
    }  # fmt: skip
    said = [text.format(f"{_number(schema[key])}") for key, text in bounds.items() if key in schema]
    kind = str(schema.get("type", "any JSON value"))
    if "const" in schema:
        kind = f"`{schema['const']}`"
    if kind == "object" and isinstance(inner := schema.get("additionalProperties"), dict):
        kind = f"object of {_type(inner)}"
    return f"{kind} ({', '.join(said)})" if said else kind


def _number(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, ensure_ascii=False)


def _title(name: str) -> str:
    return name.lstrip("_")


def _line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    if "--check" in sys.argv:
        same = PAGE.is_file() and PAGE.read_text(encoding="utf-8") == page()
        sys.exit(0 if same else "docs/http.md differs; run tools/list_endpoints.py")
    PAGE.write_text(page(), encoding="utf-8")
