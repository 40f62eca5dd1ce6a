# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Reads the documents of a REST service: its list, or one by one."""

import urllib.parse
from collections.abc import Callable, Iterator, Sequence

from nova_dirsvc_plugin.directories import base
from nova_dirsvc_plugin.directories.rest import (
    document,
    mapping,
    response,
    urls,
)

#: Sends GET requests; gives an answer for each.
Get = Callable[[Sequence[str]], Sequence[response.Answer]]


class Reading:
    """Reads the entries of one service.

    :param get: raises DirectoryUnavailable where one has no answer
    :param page_size: documents to ask for at a time
    """

    def __init__(
        self,
        get: Get,
        its_urls: urls.Urls,
        its_mapping: mapping.FieldMapping,
        owner: str,
        page_size: int,
    ) -> None:
        self._get = get
        self._urls = its_urls
        self._mapping = its_mapping
        self._owner = owner
        self._page_size = page_size

    def ours(self) -> Iterator[base.Entry]:
        """Read each entry that carries our mark, from the list.

        :raises EntriesNotKept: there is no list
        :raises DirectoryUnavailable: not all of them could be read
        """
        for given, found in self._listed({"owner": self._owner}):
            if self._owner_of(found) == self._owner:
                yield self._entry(given, found)

    def of(self, uuids: Sequence[str]) -> Iterator[base.Entry]:
        """Read the entries of instances, whatever their mark.

        Many are read from the list; few one by one, if the service can.

        :raises EntriesNotKept: there is no list
        :raises DirectoryUnavailable: not all of them could be read
        """
        if not self._urls.entries:
            raise _no_list()
        if len(uuids) <= self._page_size:
            where = {one: self._urls.entry(one) for one in uuids}
            answers = self._get(list(where.values())) if where else []
            statuses = {answer.status for answer in answers}
            if not statuses & response.NOT_ONE_BY_ONE:
                for wanted, answer in zip(where.items(), answers, strict=True):
                    yield from self._one(*wanted, answer)
                return
        among = set(uuids)
        for given, found in self._listed({}):
            if str(found["instance_uuid"]).lower() in among:
                yield self._entry(given, found)

    def as_entry(self, given: document.Document) -> base.Entry:
        """Read a document that has the names of the service."""
        return self._entry(given, self._ours(given))

    def _one(
        self, instance_uuid: str, url: str, answer: response.Answer
    ) -> Iterator[base.Entry]:
        given = response.one(answer, f"GET {url}")
        if given is None:
            return
        entry = self.as_entry(given)
        if entry.record.instance_uuid != instance_uuid:
            raise base.DirectoryUnavailable(
                f"GET {url}: the answer is about another instance"
            )
        yield entry

    def _listed(
        self, query: dict[str, str]
    ) -> Iterator[tuple[document.Document, document.Document]]:
        """Read the list, in the order of the uuids.

        :returns: each document, with the names of the service and with ours
        """
        if not self._urls.entries:
            raise _no_list()
        marker = ""
        while documents := self._page(query, marker):
            for given in documents:
                found = self._ours(given)
                instance_uuid = found.get("instance_uuid")
                if not isinstance(instance_uuid, str) or (
                    instance_uuid <= marker
                ):
                    raise base.DirectoryUnavailable(
                        f"{self._urls.entries}: an entry of a page is not"
                        f" after marker {marker!r}: {instance_uuid!r:.60}"
                    )
                marker = instance_uuid
                yield given, found

    def _page(
        self, query: dict[str, str], marker: str
    ) -> list[document.Document]:
        query = query | {"limit": str(self._page_size)}
        if marker:
            query["marker"] = marker
        url = self._urls.entries
        url += "&" if "?" in url else "?"
        url += urllib.parse.urlencode(query)
        (answer,) = self._get([url])
        return response.page(answer, f"GET {url}", is_first=not marker)

    def _ours(self, given: document.Document) -> document.Document:
        return self._mapping.from_service(given)

    def _owner_of(self, found: document.Document) -> object:
        # Without owner marks all entries of a service are ours.
        return found.get("owner") if self._mapping.has_owner else self._owner

    def _entry(
        self, given: document.Document, found: document.Document
    ) -> base.Entry:
        try:
            record = document.record(found)
        except document.NotADocument as error:
            raise base.DirectoryUnavailable(
                f"{self._urls.entries}: {error}"
            ) from error
        owner = self._owner_of(found)
        return base.Entry(
            record=record,
            as_of=document.as_of(found),
            owner=owner if isinstance(owner, str) else "",
            name=self._urls.entry(record.instance_uuid),
            content=document.content(given),
        )


def _no_list() -> base.EntriesNotKept:
    return base.EntriesNotKept(
        "[rest] entries_url is empty: entries cannot be read"
    )
