# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The SQL that takes entries over from files that were removed or replaced."""

#: All entries of the instances that have something to deliver, in the words
#: of the connection that still reads the old files. An older release had not
#: all columns.
RESCUED_ENTRIES = """
SELECT message_id, event_type, verb, instance_uuid, occurred_at, stored_at,
  request_id, record, {checksum}, {directory}
FROM entry WHERE instance_uuid IN (
  SELECT instance_uuid FROM backlog UNION
  SELECT instance_uuid FROM entry
  WHERE number > coalesce((SELECT min(number) FROM position), 0))
ORDER BY number
"""

#: The same one by one, where pages are damaged.
RESCUED_ENTRY = """
SELECT message_id, event_type, verb, instance_uuid, occurred_at, stored_at,
  request_id, record, {checksum}, {directory}
FROM entry WHERE number = ?
"""

TABLES = "SELECT name FROM sqlite_master WHERE type = 'table'"

COLUMNS = "SELECT name FROM pragma_table_info('entry')"

RESCUED_NUMBERS = """
SELECT number FROM entry INDEXED BY entry_instance WHERE instance_uuid = ?
"""

RESCUE_START = """
SELECT coalesce(min(CAST(number AS INTEGER)), 0) FROM position
"""

RESCUE_BACKLOG = """
SELECT CAST(number AS INTEGER), instance_uuid FROM backlog
"""

#: Each reads other pages, from either end up to the first that is damaged.
WALKS = (
    "SELECT number, NULL FROM entry NOT INDEXED ORDER BY number {order}",
    "SELECT number, NULL FROM entry INDEXED BY entry_stored"
    " ORDER BY stored_at {order}",
    "SELECT number, NULL FROM entry INDEXED BY sqlite_autoindex_entry_1"
    " ORDER BY message_id {order}",
    "SELECT number, instance_uuid FROM entry INDEXED BY entry_instance"
    " ORDER BY instance_uuid {order}",
)

RESCUE_ENTRY = """
INSERT INTO entry (message_id, event_type, verb, instance_uuid, occurred_at,
                   stored_at, request_id, record, checksum, directory)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
"""

RESCUED_ORIGINS = "SELECT request_id, remote_address, stored_at FROM origin"

RESCUE_ORIGIN = "INSERT INTO origin VALUES (?, ?, ?) ON CONFLICT DO NOTHING"

RESCUED_RUNS = """
SELECT run_id, directory, plan_id, verb, allowed, started_at, summary FROM run
"""

RESCUE_RUN = """
INSERT INTO run VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
"""

RESCUED_REPAIRS = """
SELECT message_id, run_id, instance_uuid, verb, stored_at, attributes, before
FROM repair ORDER BY place
"""

RESCUE_REPAIR = """
INSERT INTO repair (message_id, run_id, instance_uuid, verb, stored_at,
                    attributes, before)
VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
"""

RESCUED_READINGS = "SELECT cloud, kind, read_at, instances FROM reading"

RESCUE_READING = (
    "INSERT INTO reading VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
)

RESCUED_PARKED = """
SELECT message_id, event_type, instance_uuid, stored_at, reason, notification
FROM parked ORDER BY number
"""

#: One without an id is known by its text and time.
RESCUE_PARKED = """
INSERT INTO parked (message_id, event_type, instance_uuid, stored_at, reason,
                    notification)
SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE NOT EXISTS (
  SELECT 1 FROM parked WHERE stored_at = ?4 AND notification = ?6)
ON CONFLICT DO NOTHING
"""
