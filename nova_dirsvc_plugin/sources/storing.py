# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Stores what a source has received, whatever is wrong with one of it."""

import logging
from collections.abc import Callable, Sequence

from nova_dirsvc_plugin import events, outbox
from nova_dirsvc_plugin.notifications import parked

LOG = logging.getLogger(__name__)

#: ``Outbox.put_all``, or a way to it.
PutAll = Callable[[Sequence[outbox.Item]], list[int | None]]


def words(item: events.Event | events.Parked) -> str:
    """Return what an item is, for the log."""
    verb = "park" if isinstance(item, events.Parked) else item.verb
    return f"{verb} instance {item.instance_uuid or 'unknown'}"


def store(put_all: PutAll, items: Sequence[outbox.Item]) -> list[int | None]:
    """Store items in one transaction.

    One that the outbox cannot hold is parked with the reason; one that cannot
    be parked either is in the log. None of them is tried for ever.

    :returns: a number for each; None for what is there already, or cannot be
        stored
    :raises outbox.OutboxError: the outbox cannot be written now
    """
    try:
        return put_all(items)
    except outbox.OutboxError:
        raise
    except Exception:
        LOG.exception("One of %d events cannot be stored", len(items))
    return [_store_alone(put_all, item) for item in items]


def _store_alone(put_all: PutAll, item: outbox.Item) -> int | None:
    try:
        return put_all([item])[0]
    except outbox.OutboxError:
        raise
    except Exception as error:
        stub = parked.stub(item, error)
    try:
        return put_all([stub])[0]
    except outbox.OutboxError:
        raise
    except Exception:
        LOG.critical(
            "Lost: %s cannot be stored: report this as a bug: %s",
            type(item).__name__,
            parked.text(repr(stub)),
        )
        return None
