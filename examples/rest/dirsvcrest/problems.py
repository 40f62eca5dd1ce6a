# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Errors as problem details (RFC 9457)."""

import http
import json

import flask
from werkzeug import exceptions


class Problem(Exception):
    """An answer that is an error.

    :param detail: what is wrong here, without anything that was sent
    """

    def __init__(self, status: int, detail: str, **headers: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = {
            name.replace("_", "-"): value for name, value in headers.items()
        }

    @classmethod
    def of_werkzeug(cls, error: exceptions.HTTPException) -> "Problem":
        """Make one of what Werkzeug itself raises."""
        if isinstance(error, exceptions.MethodNotAllowed):
            allowed = ", ".join(sorted(error.valid_methods or ()))
            return cls(405, f"there is only {allowed}", Allow=allowed)
        if isinstance(error, exceptions.NotFound):
            return cls(404, "there is no such resource")
        return cls(error.code or 500, error.name)

    def response(self) -> flask.Response:
        document = {
            "type": "about:blank",
            "title": http.HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
        }
        return flask.Response(
            json.dumps(document) + "\n",
            self.status,
            self.headers,
            content_type="application/problem+json",
        )
