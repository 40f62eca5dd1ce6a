# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Waiting: for what, how long, and what was seen last."""

import time

from tempest.lib import exceptions

from nova_dirsvc_tempest_plugin.services import host_entries

#: Seconds between two looks.
INTERVAL = 0.2


def wait_until(look, is_there, what, timeout, describe=repr):
    """Look again and again until what is seen is what is waited for.

    :param look: says what is to be seen now
    :param is_there: whether that is it
    :param what: what is waited for, in words
    :param timeout: seconds
    :param describe: puts what was seen into words
    :returns: what was seen then
    :raises tempest.lib.exceptions.TimeoutException: never seen
    """
    begin = time.monotonic()
    while not is_there(seen := look()):
        waited = time.monotonic() - begin
        if waited > timeout:
            raise exceptions.TimeoutException(
                f"Waited {waited:.0f} s for {what}; seen last:"
                f" {describe(seen)}"
            )
        time.sleep(INTERVAL)
    return seen


# -- the directory ---------------------------------------------------------


def _seen(entries, instance_uuid):
    """Look at an entry; an outage is a thing to be seen, too."""
    try:
        return entries.get(instance_uuid)
    except host_entries.Unreachable as error:
        return error


def wait_for_entry(entries, instance_uuid, timeout):
    """Wait until an instance has its entry. :returns: the entry"""
    return wait_until(
        lambda: _seen(entries, instance_uuid),
        lambda seen: isinstance(seen, host_entries.HostEntry),
        f"the entry of instance {instance_uuid} to come",
        timeout,
    )


def wait_for_entry_with(entries, instance_uuid, expected, timeout):
    """Wait until an instance has an entry that says something.

    :param expected: field of the entry -> value
    :returns: the entry
    """

    def others(entry):
        return {
            field: getattr(entry, field)
            for field, value in expected.items()
            if getattr(entry, field) != value
        }

    def describe(seen):
        if not isinstance(seen, host_entries.HostEntry):
            return repr(seen)
        return ", ".join(
            f"{field} is {value!r} in place of {expected[field]!r}"
            for field, value in others(seen).items()
        )

    return wait_until(
        lambda: _seen(entries, instance_uuid),
        lambda seen: (
            isinstance(seen, host_entries.HostEntry) and not others(seen)
        ),
        f"the entry of instance {instance_uuid} to follow Nova",
        timeout,
        describe,
    )


def wait_for_no_entry(entries, instance_uuid, timeout):
    """Wait until an instance has no entry any more."""
    wait_until(
        lambda: _seen(entries, instance_uuid),
        lambda seen: seen is None,
        f"the entry of instance {instance_uuid} to go",
        timeout,
    )


def wait_for_outage(entries, instance_uuid, timeout):
    """Wait until the directory cannot be reached."""
    wait_until(
        lambda: _seen(entries, instance_uuid),
        lambda seen: isinstance(seen, host_entries.Unreachable),
        "the directory to be down",
        timeout,
    )


def wait_for_directory(entries, instance_uuid, timeout):
    """Wait until the directory answers, whatever it says."""
    wait_until(
        lambda: _seen(entries, instance_uuid),
        lambda seen: not isinstance(seen, host_entries.Unreachable),
        "the directory to answer",
        timeout,
    )


# -- Nova ------------------------------------------------------------------


def _state(server):
    if server is None:
        return "no such server"
    return f"{server['status']}, task {server.get('OS-EXT-STS:task_state')}"


def wait_for_server(client, server_id, status, timeout):
    """Wait until Nova says that a server is ACTIVE, ERROR or the like.

    :returns: the server as Nova shows it then
    :raises tempest.lib.exceptions.TempestException: it is in ERROR, and
        that was not waited for
    """

    def is_there(server):
        if server["status"] == "ERROR" != status:
            raise exceptions.TempestException(
                f"Waited for server {server_id} to be {status}, but it"
                f" is in ERROR: {server.get('fault')}"
            )
        return server["status"] == status

    return wait_until(
        lambda: client.show_server(server_id)["server"],
        is_there,
        f"server {server_id} to be {status}",
        timeout,
        _state,
    )


def wait_for_server_of(client, server_id, is_there, what, timeout):
    """Wait until Nova shows of a server what is asked for.

    :param is_there: tells it of the server as Nova shows it
    :param what: what is asked for, in words
    :returns: the server as Nova shows it then
    """
    return wait_until(
        lambda: client.show_server(server_id)["server"],
        is_there,
        f"server {server_id} to have {what}",
        timeout,
    )


def wait_for_no_server(client, server_id, timeout):
    """Wait until Nova knows a server no more, or deleted it softly.

    :returns: the server, if Nova still shows it
    """

    def look():
        try:
            return client.show_server(server_id)["server"]
        except exceptions.NotFound:
            return None

    return wait_until(
        look,
        lambda seen: seen is None or seen["status"] == "SOFT_DELETED",
        f"server {server_id} to be gone from Nova",
        timeout,
        _state,
    )


def wait_for_build_to_end(client, server_id, timeout):
    """Wait until the compute service has finished the build of a server."""
    _wait_for_action_to_end(
        client,
        server_id,
        "create",
        "compute__do_build_and_run_instance",
        timeout,
    )


def wait_for_delete_to_end(client, server_id, timeout):
    """Wait until the compute service has finished the delete of a server.

    Nova knows the server no more a moment before.
    """
    _wait_for_action_to_end(
        client, server_id, "delete", "compute_terminate_instance", timeout
    )


def _wait_for_action_to_end(client, server_id, name, part, timeout):
    """Wait until a part of what Nova does with a server has finished."""

    def events():
        actions = client.list_instance_actions(server_id)["instanceActions"]
        return [
            event
            for action in actions
            if action["action"] == name
            for event in client.show_instance_action(
                server_id, action["request_id"]
            )["instanceAction"]["events"]
            if event["event"] == part
        ]

    wait_until(
        events,
        lambda seen: any(event["finish_time"] for event in seen),
        f"the end of {part} of server {server_id}",
        timeout,
    )
