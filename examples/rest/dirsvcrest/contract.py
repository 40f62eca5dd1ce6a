# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What a request must look like, as openapi.yaml says it."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jsonschema_rs
import yaml

OPENAPI = Path(__file__).parents[1] / "openapi.yaml"

_Keywords = dict[str, Any]


class Unfit(Exception):
    """Something does not fit its schema; the text names it, not its value."""


class Contract:
    """The schemas of one OpenAPI document."""

    def __init__(self, path: Path = OPENAPI) -> None:
        document = yaml.safe_load(path.read_text("utf-8"))
        self._bodies = {
            name: _Schema({"$ref": f"#/components/schemas/{name}"}, document)
            for name in ("Registration", "Unregistration")
        }
        self._parameters = {
            operation["operationId"]: [
                _Parameter(_referred(parameter, document), document)
                for parameter in operation.get("parameters", ())
            ]
            for path_item in document["paths"].values()
            for operation in path_item.values()
            if "operationId" in operation
        }

    def check_body(self, name: str, body: Any) -> None:
        """Check a body by a schema.

        :param name: of the schema
        :raises Unfit: it does not fit
        """
        self._bodies[name].check(body, "")

    def parameters(
        self,
        operation: str,
        headers: Mapping[str, str],
        query: Mapping[str, str],
    ) -> dict[str, Any]:
        """Read the headers and query parameters of an operation.

        :param operation: its operationId
        :returns: what was given, by name
        :raises Unfit: one does not fit
        """
        found = {}
        for parameter in self._parameters[operation]:
            source = query if parameter.place == "query" else headers
            text = source.get(parameter.name)
            if text is not None:
                found[parameter.name] = parameter.value(text)
        return found


class _Schema:
    """A schema, compiled once.

    :param document: has what its references refer to
    """

    def __init__(self, schema: _Keywords, document: _Keywords) -> None:
        self._root = {**schema, "components": document["components"]}
        self._validator = jsonschema_rs.Draft202012Validator(self._root)

    def check(self, value: Any, name: str) -> None:
        try:
            self._validator.validate(value)
        except jsonschema_rs.ValidationError as error:
            place = ".".join(
                filter(None, [name, *map(str, error.instance_path)])
            )
            wanted = _at(self._root, error.schema_path)
            raise Unfit(_said(place or "the body", error, wanted)) from None
        except ValueError:
            # What does not fit is copied, 255 levels of it at most.
            where = name or "the body"
            raise Unfit(f"{where}: is nested too deeply") from None


class _Parameter:
    def __init__(self, parameter: _Keywords, document: _Keywords) -> None:
        self.name = parameter["name"]
        self.place = parameter["in"]
        schema = parameter["schema"]
        self._schema = _Schema(schema, document)
        self._is_number = _referred(schema, document)["type"] == "integer"

    def value(self, text: str) -> str | int:
        value: str | int = text
        if self._is_number and re.fullmatch("-?[0-9]{1,18}", text):
            value = int(text)
        self._schema.check(value, self.name)
        return value


def _referred(node: _Keywords, document: _Keywords) -> _Keywords:
    """Return the node that a reference names; any other node as it is."""
    if "$ref" not in node:
        return node
    steps = node["$ref"].removeprefix("#/").split("/")
    found: _Keywords = _at(document, steps)
    return found


def _at(node: Any, steps: Sequence[Any]) -> Any:
    for step in steps:
        node = node[step]
    return node


def _said(
    place: str, error: jsonschema_rs.ValidationError, wanted: Any
) -> str:
    """Say what is wrong in words that hold nothing of the request's.

    :param wanted: what the schema says by the keyword that failed
    """
    keyword = error.schema_path[-1]
    if keyword == "required":
        return f"{place}: {error.kind.property} is missing"
    if isinstance(wanted, list):
        wanted = " or ".join(map(str, wanted))
    return f"{place}: does not fit {keyword}: {wanted}"
