# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""MariaDB and RabbitMQ from Debian, started by hand in the cloud's home."""

import os
import pathlib
import pwd
import shutil
import socket

from pocket import rabbitmq

MARIADB = pathlib.Path("/usr/sbin/mariadbd")


def listens(port):
    """Whether something accepts connections on a port of loopback."""
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def start_mariadb(home, processes):
    """Start the database server, its data folder made once."""
    data = home.path / "mariadb"
    user = pwd.getpwuid(os.getuid()).pw_name
    if not home.is_done("mariadb"):
        processes.stop("mariadb")
        if data.exists():
            shutil.rmtree(data)
        processes.call(
            "mariadb",
            [
                "mariadb-install-db",
                "--no-defaults",
                f"--datadir={data}",
                f"--user={user}",
                "--skip-test-db",
                "--skip-name-resolve",
                "--auth-root-authentication-method=socket",
                f"--auth-root-socket-user={user}",
            ],
        )
    path = home.sockets / "mariadb.sock"
    # Not synced to disk: what survives is the end of a process, not of the
    # machine. That is enough here and halves the time of the first start.
    processes.start(
        "mariadb",
        [
            MARIADB,
            "--no-defaults",
            f"--user={user}",
            f"--datadir={data}",
            f"--socket={path}",
            f"--pid-file={home.run}/mariadb.server",
            f"--tmpdir={home.run}",
            "--skip-networking",
            "--skip-name-resolve",
            "--innodb-flush-method=nosync",
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-buffer-pool-size=128M",
            "--performance-schema=off",
            "--max-connections=400",
        ],
    )

    def answers():
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(path)) == 0

    processes.wait("mariadb", answers)
    if not home.is_done("mariadb"):
        _sql(
            home,
            processes,
            "GRANT ALL ON *.* TO pocket@localhost "
            f"IDENTIFIED BY '{home.passwords.database}';",
        )
        home.set_done("mariadb")


def make_databases(home, processes, names):
    """Empty databases: an interrupted schema is begun anew."""
    _sql(
        home,
        processes,
        "".join(
            f"DROP DATABASE IF EXISTS {name};\n"
            f"CREATE DATABASE {name} CHARACTER SET utf8mb3;\n"
            for name in names
        ),
    )


def _sql(home, processes, statements):
    processes.call(
        "mariadb",
        ["mariadb", "--no-defaults", f"--socket={home.sockets}/mariadb.sock"],
        text=statements,
    )


def start_rabbitmq(home, processes):
    """Start the message broker, and the port mapper that it needs."""
    ports = home.ports
    broker = _broker(home)
    broker.make()
    # Started by us, or the broker starts one that outlives it.
    processes.start("epmd", rabbitmq.EPMD, broker.environment)
    processes.wait("epmd", lambda: listens(ports.epmd))
    processes.start("rabbitmq", rabbitmq.SERVER, broker.environment)
    processes.wait("rabbitmq", lambda: listens(ports.rabbitmq))


def empty_queue(home, processes, virtual_host, queue):
    """Drop all messages of a queue that nobody has taken yet."""
    broker = _broker(home)
    processes.call(
        "rabbitmq",
        broker.control("purge_queue", "--vhost", virtual_host, queue),
        broker.environment,
    )


def _broker(home):
    return rabbitmq.Broker(
        home.path / "rabbitmq",
        home.etc / "rabbitmq",
        home.ports.rabbitmq,
        home.ports.rabbitmq_cluster,
        home.ports.epmd,
    )
