# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What comes in: who may, which body, which parameters."""

import datetime
import json
import re
from typing import Any, NoReturn

import flask

from dirsvcrest.contract import Contract
from dirsvcrest.problems import Problem

LARGEST_BODY = 64 * 1024
HALF_A_PAIR = re.compile("[\ud800-\udfff]")


def parameters(contract: Contract) -> dict[str, Any]:
    """Return the headers and query parameters of this request's operation.

    :raises Unfit: one does not fit its schema
    """
    request = flask.request
    return contract.parameters(
        request.endpoint or "", request.headers, request.args
    )


def body(contract: Contract, schema: str) -> dict[str, Any]:
    """Return the body of this request, which fits a schema.

    :raises Problem: it is no JSON, or too large
    :raises Unfit: it does not fit
    """
    if flask.request.mimetype != "application/json":
        raise Problem(415, "Content-Type must be application/json")
    value = _json(_bytes())
    contract.check_body(schema, value)
    found: dict[str, Any] = value
    return found


def now() -> str:
    """Return the time as the schema AsOf wants it."""
    return datetime.datetime.now(datetime.UTC).strftime(
        "%Y-%m-%dT%H:%M:%S.%fZ"
    )


def _bytes() -> bytes:
    """Read the body; Werkzeug would cut a chunked one off at its limit."""
    data: bytes = flask.request.environ["wsgi.input"].read(LARGEST_BODY + 1)
    if len(data) > LARGEST_BODY:
        raise Problem(413, "the body is larger than 64 KiB")
    return data


def _json(data: bytes) -> Any:
    try:
        text = data.decode()
        value = json.loads(text, parse_constant=_no_number)
        if "\\ud" in text.lower():
            value = _whole(value)
    except (ValueError, RecursionError):
        # without "from": the error has the text
        raise Problem(400, "the body is not JSON in UTF-8") from None
    return value


def _no_number(_: str) -> NoReturn:
    """Python reads NaN and Infinity; JSON has neither."""
    raise ValueError


def _whole(value: Any) -> Any:
    """Replace halves of surrogate pairs: they are in no UTF-8.

    A reader that is strict (Go's and Rust's are) could not read them.
    """
    if isinstance(value, str):
        return HALF_A_PAIR.sub("\N{REPLACEMENT CHARACTER}", value)
    if isinstance(value, list):
        return [_whole(item) for item in value]
    if isinstance(value, dict):
        return {_whole(key): _whole(item) for key, item in value.items()}
    return value
