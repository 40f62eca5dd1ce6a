# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Nova's fake hypervisor, which fails when an instance's name says so."""

from nova import exception
from nova.virt import fake


class PocketDriver(fake.FakeDriverWithoutFakeNodes):
    """One node that survives a restart; error paths by instance name.

    ``fail-build...`` ends in ERROR without another attempt,
    ``fail-spawn...`` asks for another host (of which there is none).
    """

    def spawn(self, context, instance, *args, **kwargs):
        if instance.display_name.startswith("fail-build"):
            raise exception.BuildAbortException(
                instance_uuid=instance.uuid, reason="its name says so"
            )
        if instance.display_name.startswith("fail-spawn"):
            raise exception.ComputeResourcesUnavailable(
                reason="its name says so"
            )
        super().spawn(context, instance, *args, **kwargs)
