# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What a request must look like, as openapi.yaml says it."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import yaml

OPENAPI = Path(__file__).parents[1] / "openapi.yaml"

_Keywords = dict[str, Any]


class Unfit(Exception):
    """Something does not fit its schema; the text names it, not its value."""


class Contract:
    """The schemas of one OpenAPI document."""

    def __init__(self, path: Path = OPENAPI) -> None:
        self._document = yaml.safe_load(path.read_text("utf-8"))
        self._bodies: dict[str, _Schema] = {}
        self._parameters = {
            operation["operationId"]: [
                _Parameter(parameter)
                for parameter in map(
                    self._resolved, operation.get("parameters", ())
                )
            ]
            for path_item in self._document["paths"].values()
            for operation in path_item.values()
            if "operationId" in operation
        }
        for name in ("Registration", "Unregistration"):
            self._bodies[name] = _Schema(self.schema(name))

    def schema(self, name: str) -> _Keywords:
        """Return a schema, without references."""
        found: _Keywords = self._resolved(
            self._document["components"]["schemas"][name]
        )
        return found

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

    def _resolved(self, node: Any) -> Any:
        """Return a part of the document with what its references refer to.

        ECMA 262's dollar is the very end; Python's is also before a last
        line feed.
        """
        if isinstance(node, list):
            return [self._resolved(item) for item in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            target = self._document
            for step in node["$ref"].removeprefix("#/").split("/"):
                target = target[step]
            beside = {key: node[key] for key in node if key != "$ref"}
            return self._resolved({**target, **beside})
        resolved = {key: self._resolved(node[key]) for key in node}
        pattern = resolved.get("pattern")
        if isinstance(pattern, str):
            resolved["pattern"] = re.sub(r"\$$", r"\\Z", pattern)
        return resolved


class _Schema:
    def __init__(self, schema: _Keywords) -> None:
        self._validator = jsonschema.Draft202012Validator(schema)

    def check(self, value: Any, name: str) -> None:
        error = jsonschema.exceptions.best_match(
            self._validator.iter_errors(value)
        )
        if error is not None:
            place = ".".join(filter(None, [name, *map(str, error.path)]))
            raise Unfit(_said(place or "the body", error))


class _Parameter:
    def __init__(self, parameter: dict[str, Any]) -> None:
        self.name = parameter["name"]
        self.place = parameter["in"]
        self._schema = _Schema(parameter["schema"])
        self._is_number = parameter["schema"]["type"] == "integer"

    def value(self, text: str) -> str | int:
        value: str | int = text
        if self._is_number and re.fullmatch("-?[0-9]{1,18}", text):
            value = int(text)
        self._schema.check(value, self.name)
        return value


def _said(place: str, error: jsonschema.ValidationError) -> str:
    """Say what is wrong in words that hold nothing of the request's."""
    if error.validator == "required":
        missing = next(
            name
            for name in error.validator_value
            if name not in error.instance
        )
        return f"{place}: {missing} is missing"
    wanted = error.validator_value
    if isinstance(wanted, list):
        wanted = " or ".join(map(str, wanted))
    return f"{place}: does not fit {error.validator}: {wanted}"
