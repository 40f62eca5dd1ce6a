# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Nova's own word on how things stand with an instance, by its API.

What Nova does not positively say is in doubt: that an instance is gone, most
of all, because that is final. A proxy says 404, too, and so does Nova of
another project's instance to an account that sees but its own.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent import futures
from typing import Any

from keystoneauth1 import adapter as ksa_adapter
from keystoneauth1 import exceptions as ksa_exceptions
from keystoneauth1 import loading
from oslo_config import cfg

from nova_dirsvc_plugin.delivery import state
from nova_dirsvc_plugin.notifications import values
from nova_dirsvc_plugin.nova_api import server

LOG = logging.getLogger(__name__)

#: The group of the options, which are keystoneauth's.
GROUP = "nova"

#: Seconds for Nova to answer one request, unless ``timeout`` says otherwise,
#: and for all that is asked at once.
REQUEST_LIMIT = 10
ASK_LIMIT = 60.0

#: Requests under way at a time.
AT_A_TIME = 8

#: Microversions, the best first: 2.90 shows the host name to all, 2.69
#: answers for a cell that is down, 2.47 tells the flavor's name.
MICROVERSIONS = ("2.90", "2.69", "2.47")


_Answer = state.Standing | state.Unsure


class WrongAccount(ValueError):
    """The options do not say how to reach Nova."""


class Inventory:
    """Asks Nova.

    :param adapter: to the compute API, of an account with the role admin;
        it raises nothing for an answer of any status, and tries nothing
        again
    :param clock: epoch seconds
    :param limit: seconds until :meth:`ask` gives what it has
    """

    def __init__(
        self,
        adapter: ksa_adapter.Adapter,
        clock: Callable[[], float] = time.time,
        limit: float = ASK_LIMIT,
    ) -> None:
        self._adapter = adapter
        self._clock = clock
        self._limit = limit
        self._microversion = MICROVERSIONS[0]

    def ask(self, uuids: Sequence[str]) -> Mapping[str, _Answer]:
        """Say how things stand with some instances; never raises.

        What is sure is so as of the moment before it was asked for.
        """
        wanted = dict.fromkeys(uuids)
        pool = futures.ThreadPoolExecutor(AT_A_TIME, "nova-dirsvc-inventory")
        try:
            asked = {uuid: pool.submit(self._ask_one, uuid) for uuid in wanted}
            futures.wait(asked.values(), self._limit)
        finally:
            # Those under way end by the time limit of a request.
            pool.shutdown(wait=False, cancel_futures=True)
        return {uuid: self._outcome(one) for uuid, one in asked.items()}

    def _outcome(self, one: futures.Future[_Answer]) -> _Answer:
        if one.done() and not one.cancelled():
            return one.result()
        return state.Unsure(
            f"Nova did not answer for all within {self._limit:g} s: see how"
            " busy nova-api is"
        )

    def _ask_one(self, instance_uuid: str) -> _Answer:
        try:
            return self._told(instance_uuid)
        except server.Doubt as doubt:
            return state.Unsure(str(doubt))
        except ksa_exceptions.ClientException as error:
            return state.Unsure(
                f"Nova cannot be asked: {error}: check [{GROUP}] and whether"
                " Keystone and nova-api run"
            )
        except Exception as error:
            LOG.exception("Instance %s: report this as a bug", instance_uuid)
            return state.Unsure(f"Nova's answer was not understood: {error!r}")

    def _told(self, instance_uuid: str) -> state.Standing:
        if not instance_uuid or (
            values.canonical_uuid(instance_uuid) != instance_uuid
        ):
            raise server.Doubt(
                f"{instance_uuid!r:.60} is not the uuid of anything"
            )
        as_of = self._clock()
        status, body = self._get(f"/servers/{instance_uuid}")
        if status == 404:
            self._make_sure_that_it_is_gone(instance_uuid, body)
            return server.gone(instance_uuid, as_of)
        if status != 200:
            raise server.Doubt(_trouble(status))

        def complain(what: str) -> None:
            LOG.warning("Nova on %s: left out: %s", instance_uuid, what)

        return server.standing_of(
            instance_uuid, body.get("server"), as_of, complain
        )

    def _make_sure_that_it_is_gone(
        self, instance_uuid: str, body: Mapping[str, Any]
    ) -> None:
        """See that a 404 is Nova's, and not for want of a right.

        :raises server.Doubt: it is not, or that cannot be told
        """
        fault = body.get("itemNotFound")
        if not isinstance(fault, Mapping) or instance_uuid not in str(
            fault.get("message")
        ):
            raise server.Doubt(
                f"the answer 404 is not Nova's own: check [{GROUP}]"
                " endpoint_override, or the endpoint in the service catalog"
            )
        status, body = self._get(
            "/servers",
            all_tenants="1",
            uuid=instance_uuid,
            soft_deleted="1",
            limit="1",
        )
        if status != 200:
            raise server.Doubt(_trouble(status))
        if body.get("servers") != []:
            raise server.Doubt(
                f"the account of [{GROUP}] does not see all projects: give"
                " it the role admin"
            )

    def _get(self, path: str, **params: str) -> tuple[int, Mapping[str, Any]]:
        """Give status and body of an answer; a body of no use is empty."""
        first = MICROVERSIONS.index(self._microversion)
        for microversion in MICROVERSIONS[first:]:
            response = self._adapter.get(
                path, params=params, microversion=microversion
            )
            if response.status_code != 406:
                self._microversion = microversion
                break
        try:
            body = response.json()
        except ValueError:
            body = None
        return response.status_code, body if isinstance(body, dict) else {}


def _trouble(status: int) -> str:
    """Say what an answer means that is none, and what to do."""
    if status == 401:
        return f"Nova refuses the account (401): check [{GROUP}]"
    if status == 403:
        return (
            f"the account of [{GROUP}] may not ask this (403): give it the"
            " role admin"
        )
    if status == 406:
        return (
            f"Nova's API is older than {MICROVERSIONS[-1]}: this needs Nova"
            " 16 (Pike) or newer"
        )
    if status >= 500:
        return f"Nova's API fails ({status}): see the log of nova-api"
    return f"Nova answers {status}: see what is between here and nova-api"


def options() -> list[cfg.Opt]:
    """Give the options of any account, and those of one with a password."""
    return [
        *loading.get_auth_common_conf_options(),
        *loading.get_auth_plugin_conf_options("password"),
        *_connection_options(),
    ]


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


def from_conf(conf: cfg.ConfigOpts) -> Inventory | None:
    """Make one as the options of ``[nova]`` say; nothing is sent yet.

    :returns: None when there is no ``auth_type``
    :raises WrongAccount: they are incomplete, or contradict each other
    """
    loading.register_auth_conf_options(conf, GROUP)
    conf.register_opts(_connection_options(), group=GROUP)
    own = conf[GROUP]
    try:
        auth = loading.load_auth_from_conf_options(conf, GROUP)
        if auth is None:
            return None
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
        raise WrongAccount(f"[{GROUP}]: {error}") from error
    return Inventory(adapter)
