# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What each operation of openapi.yaml does."""

import flask

from dirsvcrest import documents, incoming
from dirsvcrest.contract import Contract
from dirsvcrest.problems import Problem
from dirsvcrest.settings import COLLECTION
from dirsvcrest.store import LONGEST_PAGE, Store
from dirsvcrest.tokens import Role


class Views:
    """The operations, on one store."""

    def __init__(self, contract: Contract, store: Store) -> None:
        self._contract = contract
        self._store = store

    def register(self, instance_uuid: str | None = None) -> flask.Response:
        """Register, refresh or restore.

        :param instance_uuid: of the resource, when it is not the collection
        """
        _need_to_write()
        parameters = incoming.parameters(self._contract)
        body = incoming.body(self._contract, "Registration")
        if instance_uuid not in (None, body["instance_uuid"]):
            raise Problem(
                409, "instance_uuid: the body is about another instance"
            )
        received = documents.document(
            body,
            owner=parameters.get("Dirsvc-Owner", ""),
            as_of=parameters.get("Dirsvc-As-Of") or incoming.now(),
            verb=parameters.get("Dirsvc-Verb", "register"),
        )
        written = self._store.register(
            received, parameters.get("Idempotency-Key", ""), _is_manager()
        )
        headers = {}
        if written.created:
            headers["Location"] = f"{COLLECTION}/{received['instance_uuid']}"
        if written.replayed:
            headers["Idempotency-Replayed"] = "true"
        return _document(
            written.document, 201 if written.created else 200, headers
        )

    def unregister(self, instance_uuid: str) -> flask.Response:
        _need_to_write()
        parameters = incoming.parameters(self._contract)
        soft = parameters.get("Dirsvc-Verb") == "soft-unregister"
        as_of = parameters.get("Dirsvc-As-Of") or incoming.now()
        try:
            stays = self._store.unregister(
                instance_uuid,
                owner=None
                if _is_manager()
                else parameters.get("Dirsvc-Owner"),
                as_of=as_of if soft else None,
            )
        except KeyError:
            raise _not_there() from None
        if stays is not None:
            return _document(stays)
        response = flask.Response(status=204)
        del response.headers["Content-Type"]
        return response

    def unregister_by_post(self) -> flask.Response:
        _need_to_write()
        body = incoming.body(self._contract, "Unregistration")
        return self.unregister(body["instance_uuid"])

    def read(self, instance_uuid: str) -> flask.Response:
        document = self._store.read(instance_uuid)
        if document is None:
            raise _not_there()
        return _document(document)

    def list(self) -> flask.Response:
        filters = incoming.parameters(self._contract)
        limit = filters.pop("limit", LONGEST_PAGE)
        page = self._store.page(filters, limit)
        return _document(f'{{"instances": [{",".join(page)}]}}')

    def health(self) -> flask.Response:
        self._store.ping()
        return _document('{"status": "ok"}')


def _need_to_write() -> None:
    if not flask.g.role.may_write:
        raise Problem(403, "this token may only read")


def _is_manager() -> bool:
    return flask.g.role is Role.MANAGER


def _not_there() -> Problem:
    return Problem(404, "there is no such instance")


def _document(
    text: str, status: int = 200, headers: dict[str, str] | None = None
) -> flask.Response:
    return flask.Response(
        text + "\n", status, headers, content_type="application/json"
    )
