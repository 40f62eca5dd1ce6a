# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""python -m pocket_inside.populate STAGE: the cloud's first contents.

Ports and passwords come as JSON on standard input. Every stage may be run
again: it makes only what is missing.
"""

import json
import sys
import time

import openstack
import oslo_messaging
from oslo_config import cfg

CATALOG = {  # service: (type, path)
    "placement": ("placement", ""),
    "glance": ("image", ""),
    "neutron": ("network", ""),
    "nova": ("compute", "/v2.1"),
}
SOFT_REGION = "SoftDelete"
LIMIT_SECONDS = 300


def identity(cloud, given):
    """The catalog, the services' users, project demo with alice and bob."""
    identity = cloud.identity
    known = {service.type: service for service in identity.services()}
    urls = {
        (endpoint.service_id, endpoint.interface)
        for endpoint in identity.endpoints()
    }
    for name, (kind, path) in CATALOG.items():
        service = known.get(kind) or identity.create_service(
            name=name, type=kind
        )
        url = f"http://127.0.0.1:{given['ports'][name]}{path}"
        for interface in ("public", "internal"):
            if (service.id, interface) not in urls:
                identity.create_endpoint(
                    service_id=service.id,
                    interface=interface,
                    region_id="RegionOne",
                    url=url,
                )
    roles = {role.name: role for role in identity.roles()}
    members = {
        "service": {
            **dict.fromkeys(CATALOG, ("admin", "service")),
            "dirsvc": ("admin",),
        },
        "demo": {"alice": ("member",), "bob": ("member",)},
    }
    for project_name, users in members.items():
        project = identity.find_project(
            project_name
        ) or identity.create_project(name=project_name, domain_id="default")
        for name, role_names in users.items():
            user = identity.find_user(name) or identity.create_user(
                name=name,
                password=given["passwords"][name],
                domain_id="default",
                default_project_id=project.id,
            )
            for role_name in role_names:
                identity.assign_project_role_to_user(
                    project, user, roles[role_name]
                )


def ready(cloud, given):
    """Wait until conductor, scheduler and compute answer on the bus.

    And let Neutron make its policy: it does so on a first request, and
    meanwhile refuses what other threads ask for (``neutron.policy.init``).
    """
    list(cloud.network.networks())
    cfg.CONF([], default_config_files=[given["nova_conf"]])
    transport = oslo_messaging.get_rpc_transport(cfg.CONF)
    for topic in ("conductor", "scheduler", "compute"):
        client = oslo_messaging.get_rpc_client(
            transport,
            oslo_messaging.Target(exchange="nova", topic=topic),
            timeout=1,
        )
        wait(
            f"nova-{topic} to answer on the message bus",
            lambda client=client: ping(client),
        )
    wait(
        "the compute node to be found by its cell",
        lambda: list(cloud.compute.hypervisors()),
    )


def ping(client):
    try:
        return client.call({}, "oslo_rpc_server_ping")
    except oslo_messaging.MessagingTimeout:
        return None


def resources(cloud, given):
    """An image, two flavors, a network with a way out."""
    if not cloud.image.find_image("blank"):
        cloud.create_image(
            "blank",
            data=b"\0" * 1024,
            disk_format="raw",
            container_format="bare",
            visibility="public",
            wait=True,
        )
    for name, ram in (("tiny", 64), ("small", 128)):
        if not cloud.compute.find_flavor(name):
            # Not disk 0: such flavors are not for ordinary users.
            cloud.compute.create_flavor(name=name, ram=ram, vcpus=1, disk=1)
    project = cloud.identity.find_project("demo", ignore_missing=False)
    private = network(cloud, "private", "10.10.0.0/16", project.id)
    public = network(cloud, "public", "203.0.113.0/24", None)
    if not cloud.network.find_router("router"):
        router = cloud.network.create_router(
            name="router",
            project_id=project.id,
            external_gateway_info={"network_id": public.id},
        )
        cloud.network.add_interface_to_router(
            router, subnet_id=private.subnet_ids[0]
        )


def network(cloud, name, cidr, project_id):
    """:param project_id: whose it is; None: an external network"""
    found = cloud.network.find_network(name)
    if not found:
        owner = (
            {"project_id": project_id}
            if project_id
            else {"is_router_external": True}
        )
        found = cloud.network.create_network(name=name, **owner)
    if not found.subnet_ids:
        cloud.network.create_subnet(
            name=name,
            network_id=found.id,
            ip_version=4,
            cidr=cidr,
            **({"project_id": project_id} if project_id else {}),
        )
    return cloud.network.get_network(found.id)


def more(cloud, given):
    """What the scenarios want: a second host, and an API's own region."""
    identity = cloud.identity
    if not identity.find_region(SOFT_REGION):
        identity.create_region(id=SOFT_REGION)
    if not list(identity.endpoints(region_id=SOFT_REGION)):
        identity.create_endpoint(
            service_id=identity.find_service("nova", ignore_missing=False).id,
            interface="public",
            region_id=SOFT_REGION,
            url=f"http://127.0.0.1:{given['ports']['nova_soft']}/v2.1",
        )
    for service in cloud.compute.services(binary="nova-compute"):
        if service.is_forced_down:  # by a scenario that was interrupted
            cloud.compute.update_service(service, forced_down=False)
    wait(
        "the second compute host to be up",
        lambda: [host for host in second(cloud) if host.state == "up"],
    )
    for service in second(cloud):
        cloud.compute.enable_service(service)
    wait(
        "its compute node to be found by its cell",
        lambda: len(list(cloud.compute.hypervisors())) > 1,
    )


def less(cloud, given):
    """Let nothing be asked of what :func:`more` made, and is about to go."""
    for endpoint in cloud.identity.endpoints(region_id=SOFT_REGION):
        cloud.identity.delete_endpoint(endpoint)
    for service in second(cloud):
        cloud.compute.disable_service(service)


def second(cloud):
    """The second compute host's service, once Nova knows it."""
    return list(cloud.compute.services(host="pocket2", binary="nova-compute"))


def wait(what, is_there):
    end = time.monotonic() + LIMIT_SECONDS
    while not (seen := is_there()):
        if time.monotonic() > end:
            sys.exit(f"waited {LIMIT_SECONDS} s for {what}, saw {seen!r}")
        time.sleep(0.2)


if __name__ == "__main__":
    stages = {
        stage.__name__: stage
        for stage in (identity, ready, resources, more, less)
    }
    stages[sys.argv[1]](openstack.connect(cloud="admin"), json.load(sys.stdin))
