# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Real Tempest, with this project's scenarios, against the pocket cloud."""

import shlex
import subprocess

from pocket import directory, extras, install
from pocket.configuration import keystone_url
from pocket.errors import PocketError
from pocket.home import CHECKOUT, digest

SCENARIOS = r"^nova_dirsvc_tempest_plugin\."
REQUIREMENTS = CHECKOUT / "pocket" / "tempest-requirements.txt"
SOURCES = (*install.SOURCES, REQUIREMENTS)
WORKERS = 2
TEST_SECONDS = 600  # a test that takes longer is killed and has failed


def run(home, processes, regex, say):
    """Run scenarios on a running cloud; stestr's totals come last.

    :param regex: which tests of Tempest; None: all of ours
    :raises PocketError: a test failed, or none was found
    """
    folder = home.path / "tempest"
    folder.mkdir(mode=0o700, exist_ok=True)
    venv = folder / "venv"
    if not home.is_done("tempest", digest(*SOURCES)):
        say("installing Tempest into a venv of its own")
        install.fill(
            processes,
            venv,
            "--requirement",
            REQUIREMENTS,
            "--editable",
            f"{CHECKOUT}[tempest]",
        )
        home.set_done("tempest", digest(*SOURCES))
    conf = folder / "tempest.conf"
    _write(home, conf, _settings(home, processes, folder))
    say(f"running Tempest; its options are in {conf}")
    done = subprocess.run(
        [
            str(venv / "bin" / "tempest"),
            "run",
            "--config-file",
            str(conf),
            "--regex",
            regex or SCENARIOS,
            "--concurrency",
            str(WORKERS),
        ],
        cwd=folder,
        env=processes.environment(OS_TEST_TIMEOUT=str(TEST_SECONDS)),
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        raise PocketError(
            f"`tempest run` ended with {done.returncode};"
            f" what it did is in {folder}/tempest.log"
        )


def _settings(home, processes, folder):
    """What Tempest must know: section -> option -> value."""
    return {
        "DEFAULT": {"log_file": folder / "tempest.log", "debug": True},
        "oslo_concurrency": {"lock_path": folder / "lock"},
        "identity": {"uri_v3": keystone_url(home)},
        "auth": {
            "use_dynamic_credentials": True,
            "admin_username": "admin",
            "admin_password": home.passwords.admin,
            "admin_project_name": "admin",
            "admin_domain_name": "Default",
        },
        "compute": {
            "image_ref": _uuid(home, processes, "image", "blank"),
            "flavor_ref": _uuid(home, processes, "flavor", "tiny"),
            "flavor_ref_alt": _uuid(home, processes, "flavor", "small"),
            "build_timeout": 300,
            "min_compute_nodes": len(extras.HOSTS),
            "max_microversion": "latest",
        },
        "compute-feature-enabled": {"resize": True, "live_migration": True},
        "validation": {"run_validation": False},
        "service_available": {
            "cinder": False,
            "swift": False,
            "nova_dirsvc": True,
        },
        "nova_dirsvc": {
            # Of a machine that has much else to do: bench is what measures.
            "entry_timeout": 120,
            "follow_timeout": 120,
            "soft_delete_region": extras.SOFT_REGION,
            "remote_address": True,
            "compute_stop_command": extras.command(home, "stop"),
            "compute_start_command": extras.command(home, "start"),
            "directory_stop_command": extras.command(
                home, "stop", extras.DIRECTORY
            ),
            "directory_start_command": extras.command(
                home, "start", extras.DIRECTORY
            ),
            "daemon_stop_command": extras.command(home, "stop", extras.DAEMON),
            "daemon_start_command": extras.command(
                home, "start", extras.DAEMON
            ),
            "events_drop_command": extras.command(home, "drop", extras.EVENTS),
            "reconcile_command": shlex.join(
                map(str, directory.manage(home, "reconcile", "--policy=sync"))
            ),
            **directory.of(home).scenario_options(home),
        },
    }


def _uuid(home, processes, kind, name):
    """Ask the cloud for the id of an image or a flavor."""
    done = subprocess.run(
        [
            str(home.bin / "openstack"),
            "--os-cloud",
            "admin",
            kind,
            "show",
            "--format",
            "value",
            "--column",
            "id",
            name,
        ],
        env=processes.environment(
            OS_CLIENT_CONFIG_FILE=str(home.etc / "clouds.yaml")
        ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise PocketError(f"there is no {kind} {name}: {done.stderr.strip()}")
    return done.stdout.strip()


def _write(home, path, settings):
    lines = []
    for section, options in settings.items():
        lines.append(f"[{section}]")
        lines += [f"{name} = {value}" for name, value in options.items()]
    home.write(path, "\n".join([*lines, ""]))
