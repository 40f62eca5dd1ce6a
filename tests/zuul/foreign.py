# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What is defined in other repositories, as far as we lean on it.

Zuul's parser cannot know whether a parent exists. So each name that is not
ours is listed here by hand, from the repository that has it.
"""

#: Job -> the variables of it that our tests look at.
JOBS = {
    # openstack/tempest: zuul.d/base.yaml
    "devstack-tempest": {"devstack_services": {"tempest": True}},
    # openstack/openstack-zuul-jobs: zuul.d/jobs.yaml
    "openstack-tox": {},
    "openstack-tox-functional": {"tox_envlist": "functional"},
    "openstack-tox-py311": {"tox_envlist": "py311"},
    "openstack-tox-py312": {"tox_envlist": "py312"},
    "openstack-tox-py313": {"tox_envlist": "py313"},
}

#: Variables that roles of the parents read: of openstack/devstack,
#: openstack/tempest, zuul/zuul-jobs.
VARIABLES = {
    "bindep_profile",
    "devstack_localrc",
    "devstack_plugins",
    "devstack_services",
    "tempest_plugins",
    "tempest_test_regex",
    "tox_envlist",
    "tox_environment",
    "zuul_copy_output",
}

#: Variables of a node, as far as a job of ours has them for a group.
GROUP_VARIABLES = {
    "devstack_local_conf",
    "devstack_localrc",
    "devstack_plugins",
}

#: Options of local.conf that are devstack's own (openstack/devstack:
#: lib/nova, lib/tempest).
LOCALRC = {
    "LIVE_MIGRATION_AVAILABLE",
    "NOVA_NOTIFICATION_FORMAT",
    "USE_BLOCK_MIGRATION_FOR_LIVE_MIGRATION",
}

#: Services that devstack-tempest runs by itself (openstack/devstack:
#: .zuul.yaml) and that a job of ours switches off.
SERVICES = {
    "c-api", "c-bak", "c-sch", "c-vol",
    "s-account", "s-container", "s-object", "s-proxy",
}  # fmt: skip

#: Project template -> what it needs here: tox environments and files
#: (openstack/requirements: .zuul.d/project-template.yaml; the others:
#: openstack/openstack-zuul-jobs: zuul.d/project-templates.yaml).
TEMPLATES = {
    "check-requirements": ((), ("requirements.txt",)),
    "openstack-cover-jobs": (("cover",), ()),
    "openstack-python3-jobs": (("pep8", "py311", "py313"), ()),
    "publish-openstack-docs-pti": (
        ("docs",),
        ("doc/requirements.txt", "doc/source/conf.py"),
    ),
    "release-notes-jobs-python3": (
        ("releasenotes",),
        ("releasenotes/notes", "releasenotes/source/conf.py"),
    ),
}

#: openstack/devstack: .zuul.yaml
NODESETS = {
    "devstack-single-node-centos-10-stream",
    "devstack-single-node-debian-trixie",
    "openstack-two-node-noble",
}

#: The group that such a nodeset has for what is not the controller.
SUBNODE = "subnode"

#: Branches of openstack/nova that are maintained.
STABLE_BRANCHES = {"stable/2025.2", "stable/2026.1", "stable/2026.2"}

#: openstack/project-config: zuul.d/pipelines.yaml
PIPELINES = {"check", "gate", "experimental", "periodic-weekly"}
