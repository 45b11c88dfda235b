"""Validation floor: JSON Schema, inside a checking process only: a schema may be as hostile as a source.

Regular expressions that never end and references that multiply cost that process, not the orchestrator.
"""

from __future__ import annotations

import json
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError, best_match
from referencing import Registry

from orchestrator.domain.bounds import ForeignJsonError, cut, parse_foreign_json

__all__ = ("Schemas",)

MAX_MESSAGE = 300
_REFERENCES = ("$ref", "$dynamicRef")
_BASES = ("$id", "$schema")
_DRAFT = "https://json-schema.org/draft/2020-12/schema"


class Schemas:
    """Answers whether a schema is one, and whether an output is as its schema says."""

    def __init__(self) -> None:
        # Loads what the first question needs; after `confine` no file can be opened.
        schema = {
            "type": "object",
            "properties": {"a": {"$ref": "#/$defs/b"}},
            "$defs": {"b": {"type": "string"}},
        }
        Draft202012Validator.check_schema(schema)
        self._problem_of_output(schema, {"a": 1})

    def answer(self, head: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
        """`schema`: whether the body is one. `output`: whether the value behind `schema_bytes` fits it."""
        size = head["schema_bytes"]
        try:
            schema = json.loads(body[:size])
        except (ValueError, RecursionError) as error:
            return {"problem": cut(str(error), MAX_MESSAGE)}, b""
        if head["do"] == "schema":
            return {"problem": _problem_of_schema(body[:size].decode(), schema)}, b""
        return {"problem": self._problem_of_output(schema, json.loads(body[size:]))}, b""

    def _problem_of_output(self, schema: Any, value: object) -> str | None:
        validator = Draft202012Validator(schema, registry=Registry())
        try:
            error = best_match(validator.iter_errors(value))
        except RecursionError:
            return "output: output_schema leads round in circles"
        except Exception as failure:  # noqa: BLE001 - a bad regular expression or reference, by any of three libraries
            return f"output: output_schema cannot be followed: {cut(str(failure), MAX_MESSAGE)}"
        return None if error is None else f"{_path_of(error)}: {cut(error.message, MAX_MESSAGE)}"


def _problem_of_schema(text: str, schema: Any) -> str | None:
    try:
        parse_foreign_json(text)
        if not isinstance(schema, dict | bool):
            return "must be an object, true or false"
        if problem := _foreign_reference(schema):
            return problem
        Draft202012Validator.check_schema(schema)
    except ForeignJsonError as error:
        return str(error)
    except SchemaError as error:
        return f"at {_path_of(error, root='schema')}: {cut(error.message, MAX_MESSAGE)}"
    return None


def _foreign_reference(schema: Any) -> str | None:
    """References lead within the schema; nothing is ever fetched."""
    todo = [schema]
    while todo:
        each = todo.pop()
        if isinstance(each, list):
            todo += each
        elif isinstance(each, dict):
            for key in _REFERENCES:
                if isinstance(target := each.get(key), str) and not target.startswith("#"):
                    return f"{key} {target[:80]!r} leads out of the schema; references begin with #"
            if isinstance(draft := each.get("$schema"), str) and draft.rstrip("#") != _DRAFT:
                return f"$schema {draft[:80]!r} is not supported; write draft 2020-12"
            todo += each.values()
    return None


def _path_of(error: ValidationError | SchemaError, *, root: str = "output") -> str:
    """`output.rows[3].name`, as the runners write it."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path]
    return cut(root + "".join(parts), MAX_MESSAGE)
