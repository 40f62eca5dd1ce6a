# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The OpenStack services of the cloud: how each is prepared and started."""

import dataclasses
import http.client

from pocket.configuration import keystone_url


@dataclasses.dataclass(frozen=True)
class Service:
    """One process.

    :param databases: made empty before the first command of *prepare*
    :param prepare: commands to run once for a home
    :param port: where it answers HTTP; None: it answers on the message bus
    """

    name: str
    argv: tuple
    environment: dict = dataclasses.field(default_factory=dict)
    databases: tuple = ()
    prepare: tuple = ()
    port: int | None = None

    def answers(self):
        """Whether the API sends any HTTP response at all."""
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.port, timeout=10
        )
        try:
            connection.request("GET", "/")
            connection.getresponse()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        return True


def services(home):
    """All services, in chains: a chain's members start one after another."""
    etc, bin_, ports = home.etc, home.bin, home.ports

    def api(name, module, environment, databases=(), prepare=()):
        port = getattr(ports, name)
        argv = (
            bin_ / "python",
            "-P",
            "-m",
            "pocket_inside.serve",
            module,
            port,
        )
        return Service(
            f"{name}-api", argv, environment, databases, prepare, port
        )

    def tool(conf, name, *words):
        return (bin_ / name, "--config-file", etc / conf, *words)

    def nova(name, databases=(), prepare=()):
        argv = (bin_ / f"nova-{name}", "--config-file", etc / "nova.conf")
        if name == "compute":
            argv = (
                bin_ / "python",
                "-P",
                "-m",
                "pocket_inside.compute",
                *argv[1:],
            )
        return Service(f"nova-{name}", argv, {}, databases, prepare)

    def manage_nova(*words):
        return tool("nova.conf", "nova-manage", *words)

    keystone = api(
        "keystone",
        "keystone.wsgi.api",
        {"OS_KEYSTONE_CONFIG_FILES": str(etc / "keystone.conf")},
        ("keystone",),
        (
            tool("keystone.conf", "keystone-manage", "db_sync"),
            tool(
                "keystone.conf",
                "keystone-manage",
                "bootstrap",
                "--bootstrap-region-id",
                "RegionOne",
                "--bootstrap-public-url",
                keystone_url(home),
                "--bootstrap-internal-url",
                keystone_url(home),
            ),
        ),
    )
    placement = api(
        "placement",
        "placement.wsgi.api",
        {"OS_PLACEMENT_CONFIG_DIR": str(etc)},
        ("placement",),
        (tool("placement.conf", "placement-manage", "db", "sync"),),
    )
    glance = api(
        "glance",
        "glance.wsgi.api",
        {"OS_GLANCE_CONFIG_DIR": str(etc)},
        ("glance",),
        (tool("glance-api.conf", "glance-manage", "db_sync"),),
    )
    neutron = api(
        "neutron",
        "neutron.wsgi.api",
        {"OS_NEUTRON_CONFIG_FILES": str(etc / "neutron.conf")},
        ("neutron",),
        (tool("neutron.conf", "neutron-db-manage", "upgrade", "heads"),),
    )
    conductor = nova(
        "conductor",
        ("nova_api", "nova", "nova_cell0"),
        (
            manage_nova("api_db", "sync"),
            manage_nova("cell_v2", "map_cell0"),
            manage_nova("db", "sync"),
            manage_nova("cell_v2", "create_cell", "--name", "cell1"),
        ),
    )
    nova_api = api(
        "nova", "nova.wsgi.osapi_compute", {"OS_NOVA_CONFIG_DIR": str(etc)}
    )
    return {
        "keystone": (keystone,),
        "placement": (placement,),
        "glance": (glance,),
        "neutron": (neutron,),
        "nova": (conductor, nova_api),
        # These want Keystone's catalog and Placement when they start.
        "hosts": (nova("scheduler"), nova("compute")),
    }
