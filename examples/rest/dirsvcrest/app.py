# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The service as a Flask application: HTTP in, documents out."""

import logging
import sqlite3
import traceback

import flask
from werkzeug import exceptions, routing

from dirsvcrest.contract import Contract, Unfit
from dirsvcrest.problems import Problem
from dirsvcrest.settings import COLLECTION
from dirsvcrest.store import AnotherOwner, Store
from dirsvcrest.tokens import Tokens
from dirsvcrest.views import Views

LOG = logging.getLogger("dirsvcrest")

HEALTH = "/healthz"


class UuidConverter(routing.BaseConverter):
    """An instance's uuid as Nova writes it; all else is no resource."""

    regex = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


def create(contract: Contract, store: Store, tokens: Tokens) -> flask.Flask:
    """Make the application."""
    app = flask.Flask("dirsvcrest", static_folder=None)
    _route(app, Views(contract, store))

    @app.before_request
    def authenticate() -> None:
        """Ask for a token, before even telling what there is."""
        if flask.request.path == HEALTH:
            return
        authorization = flask.request.headers.get("Authorization", "")
        flask.g.role = tokens.role(authorization)
        if flask.g.role is None:
            raise Problem(
                401, "a known token is needed", WWW_Authenticate="Bearer"
            )

    app.register_error_handler(Problem, Problem.response)
    app.register_error_handler(exceptions.HTTPException, _http_error)
    app.register_error_handler(Unfit, _unfit)
    app.register_error_handler(AnotherOwner, _another_owner)
    app.register_error_handler(sqlite3.Error, _unavailable)
    app.register_error_handler(Exception, _broken)
    return app


def _route(app: flask.Flask, views: Views) -> None:
    one = f"{COLLECTION}/<uuid:instance_uuid>"
    # The name of a rule is its operationId in openapi.yaml.
    rules = (
        (COLLECTION, "POST", "register", views.register),
        (COLLECTION, "GET", "list", views.list),
        (f"{COLLECTION}/unregister", "POST", "unregisterByPost",
         views.unregister_by_post),
        (one, "GET", "read", views.read),
        (one, "PUT", "registerByPut", views.register),
        (one, "DELETE", "unregister", views.unregister),
        (HEALTH, "GET", "health", views.health),
    )  # fmt: skip
    app.url_map.converters["uuid"] = UuidConverter
    app.url_map.merge_slashes = False
    for path, method, name, view in rules:
        app.add_url_rule(
            path, name, view, methods=[method], provide_automatic_options=False
        )
    for rule in app.url_map.iter_rules():
        # Werkzeug adds it to GET by itself; the contract has none.
        (rule.methods or set()).discard("HEAD")


def _http_error(error: exceptions.HTTPException) -> flask.Response:
    return Problem.of_werkzeug(error).response()


def _unfit(error: Unfit) -> flask.Response:
    return Problem(422, str(error)).response()


def _another_owner(_: AnotherOwner) -> flask.Response:
    return Problem(409, "the entry has another owner mark").response()


def _unavailable(error: sqlite3.Error) -> flask.Response:
    LOG.error("the store cannot be used: %s", error)
    detail = "the store cannot be used"
    return Problem(503, detail, Retry_After="1").response()


def _broken(error: Exception) -> flask.Response:
    """Log where, and not with what: that could be a tenant's text."""
    where = "".join(traceback.format_tb(error.__traceback__))
    LOG.error("%s in\n%s", type(error).__name__, where)
    return Problem(500, "an error of this service; its log tells").response()
