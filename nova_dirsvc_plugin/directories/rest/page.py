# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""A page of the list of all that a REST service keeps. Pure."""

import json

from nova_dirsvc_plugin.directories import base
from nova_dirsvc_plugin.directories.rest import document, response

#: Bytes of a page.
LIMIT = 32 * 1024 * 1024

#: What a service says that has no such list.
_NO_LIST = frozenset((404, 405, 410, 501))


def documents(
    answer: response.Answer,
    where: str,
    *,
    is_first: bool,
    redact: response.Redact,
) -> list[document.Document]:
    """Read the documents of a page, in the service's words.

    :param where: method and address
    :param is_first: only of the first page it can be said that there is none
    :param redact: takes our secrets out of a text
    :raises base.EntriesNotKept: the service has no list
    :raises base.DirectoryUnavailable: this is no whole page
    """
    if answer.status in _NO_LIST and is_first:
        raise base.EntriesNotKept(f"{where}: {answer.status}: there is none")
    if answer.status != 200:
        raise base.DirectoryUnavailable(f"{where}: {answer.told(redact)}")
    if not answer.whole:
        raise base.DirectoryUnavailable(
            f"{where}: more than {LIMIT} bytes: see [rest] page_size"
        )
    try:
        found = json.loads(answer.body)["instances"]
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise base.DirectoryUnavailable(
            f"{where}: no list of instances: {error!r:.200}"
        ) from error
    if not isinstance(found, list) or not all(
        isinstance(one, dict) for one in found
    ):
        raise base.DirectoryUnavailable(f"{where}: no list of instances")
    return found
