# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Asks Nova's API for the state of instances.

A state is unknown unless Nova states it: above all that an instance is gone,
since that is final. A proxy may answer 404, too. So does Nova about another
project's instance to an account that sees only its own, and about some
instances of a cell that is down.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent import futures
from typing import Any

from keystoneauth1 import adapter as ksa_adapter
from keystoneauth1 import exceptions as ksa_exceptions
from keystoneauth1 import loading
from oslo_config import cfg

from nova_dirsvc_plugin import errors, events, untrusted_text
from nova_dirsvc_plugin.notifications import values
from nova_dirsvc_plugin.nova_api import cells, connection, pending, server

LOG = logging.getLogger(__name__)

GROUP = connection.GROUP

#: Seconds for Nova to answer one request, unless ``timeout`` says otherwise,
#: and for all that is asked at once.
REQUEST_LIMIT = 10
ASK_LIMIT = 60.0

#: Part of that for the states; the rest is for the list of services, without
#: which no removal is sure.
STATES_PART = 0.8

#: Requests under way at a time.
AT_A_TIME = 8

#: Path of the list of Nova's services.
SERVICES = "/os-services"

_Answer = events.HostState | events.StateUnknown


class NovaClient:
    """A client of the compute API that asks about instances.

    :param adapter: to the compute API, of an account with the role admin;
        it raises nothing for an answer of any status, and tries nothing
        again
    :param clock: epoch seconds
    :param limit: seconds until :meth:`ask` returns what it has
    :ivar connection: for other requests of the same account
    :ivar clock: epoch seconds
    """

    def __init__(
        self,
        adapter: ksa_adapter.Adapter,
        clock: Callable[[], float] = time.time,
        limit: float = ASK_LIMIT,
    ) -> None:
        self.connection = connection.Connection(adapter)
        self.clock = clock
        self._limit = limit

    def ask(self, uuids: Sequence[str]) -> Mapping[str, _Answer]:
        """Return the states of some instances; never raises.

        A state is as of the moment before Nova was asked.
        """
        ends_at = time.monotonic() + self._limit
        answers = self._states(dict.fromkeys(uuids))
        gone = [uuid for uuid in answers if _is_gone(answers[uuid])]
        if gone and self.connection.tells_down_cells:
            # Once for all of them, and after them.
            doubt = self._doubt_about_cells(ends_at - time.monotonic())
            if doubt:
                answers |= dict.fromkeys(gone, doubt)
        return answers

    def _states(self, uuids: Iterable[str]) -> dict[str, _Answer]:
        pool = futures.ThreadPoolExecutor(AT_A_TIME, "nova-dirsvc-ask")
        try:
            asked = {uuid: pool.submit(self._ask_one, uuid) for uuid in uuids}
            futures.wait(asked.values(), self._limit * STATES_PART)
        finally:
            # Those under way end by the time limit of a request.
            pool.shutdown(wait=False, cancel_futures=True)
        return {uuid: self._outcome(one) for uuid, one in asked.items()}

    def _doubt_about_cells(self, limit: float) -> events.StateUnknown | None:
        """Return why a 404 may be of a cell that is down; None if it is not.

        :param limit: seconds
        """
        services = pending.PendingRequest(
            self.connection,
            self.clock,
            "the list of services",
            SERVICES,
            {},
            limit,
        )
        try:
            cells.check(services.answer().body)
        except connection.NoAnswer as error:
            return events.StateUnknown(str(error))
        except events.StateUnknown as unknown:
            return unknown
        return None

    def _outcome(self, one: futures.Future[_Answer]) -> _Answer:
        if one.done() and not one.cancelled():
            return one.result()
        return events.StateUnknown(
            "Nova did not answer for all within"
            f" {self._limit * STATES_PART:g} s: check the load of nova-api"
        )

    def _ask_one(self, instance_uuid: str) -> _Answer:
        try:
            return self._state(instance_uuid)
        except events.StateUnknown as unknown:
            return unknown
        except connection.NoAnswer as error:
            return events.StateUnknown(str(error))
        except Exception as error:
            LOG.exception("Instance %s: report this as a bug", instance_uuid)
            return events.StateUnknown(
                f"Nova's answer was not understood: {error!r}"
            )

    def _state(self, instance_uuid: str) -> events.HostState:
        if not instance_uuid or (
            values.canonical_uuid(instance_uuid) != instance_uuid
        ):
            raise events.StateUnknown(
                f"{instance_uuid!r:.60} is not a valid instance UUID"
            )
        as_of = self.clock()
        answer = self.connection.get(f"/servers/{instance_uuid}")
        as_of = as_of if answer.as_of is None else answer.as_of
        if answer.status == 404:
            self._check_gone(instance_uuid, answer.body)
            return server.gone(instance_uuid, as_of)
        if answer.status != 200:
            raise events.StateUnknown(connection.advice(answer.status))

        def warn(what: str) -> None:
            LOG.warning(
                "Nova's answer about instance %s: value ignored: %s",
                instance_uuid,
                what,
            )

        return server.state_of(
            instance_uuid, answer.body.get("server"), as_of, warn
        )

    def _check_gone(self, instance_uuid: str, body: Mapping[str, Any]) -> None:
        """See that a 404 is Nova's own, and that the account sees all.

        :raises StateUnknown: it is not, or that cannot be known
        """
        fault = body.get("itemNotFound")
        if not isinstance(fault, Mapping) or instance_uuid not in str(
            fault.get("message")
        ):
            raise events.StateUnknown(
                f"the answer 404 is not Nova's own: check [{GROUP}]"
                " endpoint_override, or the endpoint in the service catalog"
            )
        answer = self.connection.get(
            "/servers",
            {
                "all_tenants": "1",
                "uuid": instance_uuid,
                "soft_deleted": "1",
                "limit": "1",
            },
        )
        if answer.status != 200:
            raise events.StateUnknown(connection.advice(answer.status))
        if answer.body.get("servers") != []:
            raise events.StateUnknown(
                f"the account of [{GROUP}] does not see all projects: give"
                " it the role admin"
            )


def _is_gone(answer: _Answer) -> bool:
    return isinstance(answer, events.HostState) and answer.final


def options() -> list[cfg.Opt]:
    """Return the options of any account, and of one with a password."""
    return [
        *loading.get_auth_common_conf_options(),
        *loading.get_auth_plugin_conf_options("password"),
        *_connection_options(),
    ]


def options_of(conf: cfg.ConfigOpts) -> list[cfg.Opt]:
    """Return the options of the kind of account that a file has chosen."""
    loading.register_auth_conf_options(conf, GROUP)
    found = options()
    try:
        if kind := conf[GROUP].auth_type:
            found += loading.get_auth_plugin_conf_options(kind)
    except (ksa_exceptions.ClientException, cfg.Error):
        # There is no such kind, which is reported where it is used.
        return found
    return found


def _connection_options() -> list[cfg.Opt]:
    found = [
        *loading.get_session_conf_options(),
        *loading.get_adapter_conf_options(include_deprecated=False),
    ]
    cfg.set_defaults(
        found,
        service_type="compute",
        timeout=REQUEST_LIMIT,
        valid_interfaces=["internal", "public"],
    )
    return found


def from_conf(conf: cfg.ConfigOpts) -> NovaClient | None:
    """Make a client from the options of ``[nova]``; nothing is sent yet.

    :returns: None when there is no ``auth_type``
    :raises WrongOption: they are incomplete, or contradict each other
    """
    loading.register_auth_conf_options(conf, GROUP)
    conf.register_opts(_connection_options(), group=GROUP)
    own = conf[GROUP]
    try:
        auth = loading.load_auth_from_conf_options(conf, GROUP)
        if auth is None:
            return None
        _keep_secrets(conf, own)
        adapter = loading.load_adapter_from_conf_options(
            conf,
            GROUP,
            session=loading.load_session_from_conf_options(conf, GROUP),
            auth=auth,
            # Not the catalog's list of versions, should it name that.
            min_version=None if own.version else own.min_version or "2.1",
            connect_retries=0,
            status_code_retries=0,
            raise_exc=False,
        )
    except (ksa_exceptions.ClientException, TypeError, cfg.Error) as error:
        raise errors.WrongOption(f"[{GROUP}]: {error}") from error
    return NovaClient(adapter)


def _keep_secrets(conf: cfg.ConfigOpts, own: Any) -> None:
    """Mask the secrets of the account, where an answer repeats them."""
    section = conf[own.auth_section or GROUP]
    untrusted_text.keep_secret(
        f"[{GROUP}]",
        [
            section[option.dest]
            for option in loading.get_auth_plugin_conf_options(
                section.auth_type
            )
            if option.secret
        ],
    )
