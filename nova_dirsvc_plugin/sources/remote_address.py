# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Records the client address of a create request: a paste filter.

oslo.messaging removes the client address from every notification. nova-api
still has it, beside the id of the request, which is in each notification that
the request causes: the outbox joins the two.

The filter belongs after ``keystonecontext``, so that only an authenticated
request writes anything, and so after ``compute_req_id``, which makes the id,
and ``http_proxy_to_wsgi``, which knows the client behind a proxy.
"""

import logging
from collections.abc import Callable, Iterable
from typing import Any

from oslo_config import cfg

from nova_dirsvc_plugin import conf as options
from nova_dirsvc_plugin.notifications import values
from nova_dirsvc_plugin.sources import buffered_writer

LOG = logging.getLogger(__name__)

#: A WSGI environment, and what takes one.
Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

#: The ends of the paths that a POST creates instances at, of Nova's
#: ``nova/api/openstack/compute/routes.py``.
CREATE_PATHS = ("/servers", "/os-volumes_boot")

#: Where oslo.middleware's ``request_id`` puts the id that it has made.
REQUEST_ID = "openstack.request_id"


class RemoteAddress:
    """Stores the client address of create requests, then passes them on.

    :param application: what comes next in the pipeline
    :param conf: Nova's own configuration, read at the first such request
    """

    def __init__(self, application: Application, conf: Any) -> None:
        self._application = application
        self._conf = conf
        self._misplaced = False
        self._take: Callable[[str, str], None] | None = None

    def __call__(
        self, environ: Environ, start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Serve a request; our own trouble is never the request's."""
        if environ.get("REQUEST_METHOD") == "POST":
            try:
                self._note(environ)
            except Exception:
                # Nova must continue after an unexpected error.
                LOG.exception(
                    "The remote address of request %s is lost: report this"
                    " as a bug",
                    environ.get(REQUEST_ID),
                )
        return self._application(environ, start_response)

    def _note(self, environ: Environ) -> None:
        path = environ.get("PATH_INFO", "")
        if not path.rstrip("/").endswith(CREATE_PATHS):
            return
        request_id = environ.get(REQUEST_ID)
        if not request_id:
            self._warn_of_place()
            return
        address = values.remote_address(environ.get("REMOTE_ADDR"))
        if address:
            self._open()(request_id, address)

    def _warn_of_place(self) -> None:
        if not self._misplaced:
            self._misplaced = True
            LOG.warning(
                "Filter remote_address found no request id and does nothing:"
                " place it after keystonecontext in api-paste.ini"
            )

    def _open(self) -> Callable[[str, str], None]:
        """Read the options at the first request.

        Two threads may do so at once; either's outcome will do.
        """
        if self._take is None:
            writer = buffered_writer.BufferedWriter.from_conf(self._conf)
            own = self._conf[options.GROUP]
            if own.record_users:
                self._take = writer.take_origin
                LOG.info("Filter remote_address loaded, outbox %s", own.outbox)
            else:
                self._take = _ignore
                LOG.info("Filter remote_address is off: record_users = false")
        return self._take


def _ignore(request_id: str, remote_address: str) -> None:
    """Store nothing."""


def filter_factory(
    global_conf: dict[str, str], **local_conf: str
) -> Callable[[Application], RemoteAddress]:
    """Make the filter as ``paste.filter_factory`` wants it.

    Its options are in nova.conf, where the notification driver reads the
    same ones: paste does not hand that on, so they are taken from
    oslo.config's global object, which is Nova's.
    """
    if local_conf:
        LOG.warning(
            "Filter remote_address has no options in api-paste.ini; not"
            " read: %s. The outbox is that of nova.conf",
            ", ".join(sorted(local_conf)),
        )

    def make(application: Application) -> RemoteAddress:
        return RemoteAddress(application, cfg.CONF)

    return make
