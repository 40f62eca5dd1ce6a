# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The check of what delivery does while a directory works on a batch."""

import dataclasses

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.directories import base
from nova_dirsvc_plugin.directories.conformance.trial import Fails, Trial


def looks_ahead_and_writes_nothing(trial: Trial) -> None:
    """Look up one batch while another is written, and apply a third."""
    one, ahead = trial.record(), trial.record()
    trial.apply_ok(events.Verb.REGISTER, one)
    calls = 0
    later = dataclasses.replace(one, flavor_name="later")

    def meanwhile() -> None:
        nonlocal calls
        calls += 1
        trial.ours.look_ahead(
            [
                events.HostState(events.Verb.REFRESH, record, trial.now + 2)
                for record in (later, ahead)
            ]
        )

    trial.apply_ok(
        events.Verb.REGISTER,
        *(trial.record() for _ in range(2)),
        meanwhile=meanwhile,
    )
    if calls > 1:
        raise Fails(f"in one batch, other work was asked for {calls} times")
    trial.expect_if_readable(one)
    try:
        if ahead.instance_uuid in trial.found():
            raise Fails("what was to be looked up was written")
    except (base.EntriesNotKept, base.DirectoryUnavailable):
        # Other checks are about reading.
        pass
    newest = dataclasses.replace(one, flavor_name="newest")
    trial.apply_ok(events.Verb.REFRESH, newest, seconds=3)
    trial.expect_if_readable(newest)
