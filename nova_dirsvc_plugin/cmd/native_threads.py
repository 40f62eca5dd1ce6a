# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The threads of oslo.service; it is imported before that."""

import sys


def use() -> None:
    """Choose them for oslo.service, and let nobody import eventlet.

    oslo.service requires eventlet, whatever is chosen; futurist and
    oslo.messaging import it to see whether it is there. Its import prints a
    warning of its deprecation, and what has imported it should not fork.
    """
    sys.modules.setdefault("eventlet", None)  # type: ignore[arg-type]
    from oslo_service import backend

    # Its modules choose their classes when they are imported.
    backend.init_backend(backend.BackendType.THREADING)
