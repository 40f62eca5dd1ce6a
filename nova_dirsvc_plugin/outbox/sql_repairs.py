# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The SQL of runs and of their repairs."""

BEGIN_RUN = """
INSERT INTO run (run_id, directory, plan_id, verb, allowed, started_at,
                 summary)
VALUES (:run_id, :directory, :plan_id, :verb, :allowed, :started_at, :summary)
"""

STORE_REPAIR = """
INSERT INTO repair (message_id, run_id, instance_uuid, verb, stored_at,
                    attributes, before)
VALUES (:message_id, :run_id, :instance_uuid, :verb, :stored_at, :attributes,
        :before)
"""

#: Repairs of an instance that ask a directory for the same, with their state
#: there, and whether they were settled since. One that something came after
#: is another matter.
SAME_REPAIRS = """
SELECT e.number, coalesce(x.state, iif(e.number > :position, 'waiting', ''))
    AS state,
  EXISTS (SELECT 1 FROM journal AS j
    WHERE j.number = e.number AND j.directory = :directory
      AND j.state IN ('delivered', 'skipped', 'dropped')
      AND j.last_at >= :read_at) AS settled
FROM repair AS r INDEXED BY repair_instance
JOIN entry AS e ON e.message_id = r.message_id
LEFT JOIN backlog AS x ON x.directory = :directory AND x.number = e.number
WHERE r.instance_uuid = :instance_uuid AND r.verb = :verb
  AND e.directory = :directory AND e.record = :record
  AND NOT EXISTS (
    SELECT 1 FROM entry AS later INDEXED BY entry_instance
    WHERE later.instance_uuid = :instance_uuid AND later.number > e.number
      AND later.directory IN ('', :directory))
"""

#: Repairs that are not delivered yet: new ones, and those put off.
WAITING_REPAIRS = """
SELECT (
    SELECT count(*) FROM entry INDEXED BY entry_directory
    WHERE directory = :directory AND directory <> '' AND number > :position)
  + (
    SELECT count(*) FROM backlog AS x INDEXED BY backlog_due
    WHERE x.directory = :directory AND x.state IN ('waiting', 'deferred')
      AND x.number <= :position AND EXISTS (
        SELECT 1 FROM entry AS e INDEXED BY entry_directory
        WHERE e.directory = :directory AND e.directory <> ''
          AND e.number = x.number))
"""

#: What other runs that were not allowed by an operator have asked of a
#: directory.
RECENT_REPAIRS = """
SELECT r.instance_uuid, r.verb, r.attributes
FROM repair AS r INDEXED BY repair_stored JOIN run USING (run_id)
WHERE r.stored_at >= :since AND run.directory = :directory
  AND run.run_id <> :besides AND run.verb <> 'undo' AND NOT run.allowed
"""

RUN = "SELECT * FROM run WHERE run_id = ?"

RUNS = "SELECT * FROM run ORDER BY started_at DESC, run_id"

BEFORE_IMAGES = """
SELECT place, instance_uuid, verb, before
FROM repair INDEXED BY repair_run
WHERE run_id = :run_id AND place > :place ORDER BY place LIMIT :limit
"""

#: Instances of a run whose repair is still to be delivered.
UNDELIVERED_OF_RUN = """
SELECT r.instance_uuid
FROM repair AS r INDEXED BY repair_run
JOIN entry AS e ON e.message_id = r.message_id
WHERE r.run_id = :run_id AND (e.number > :position OR EXISTS (
  SELECT 1 FROM backlog AS x
  WHERE x.number = e.number AND x.directory = :directory
    AND x.state IN ('waiting', 'deferred')))
"""

#: Instances of a run of which something came later, by either clock.
OVERTAKEN_OF_RUN = """
SELECT r.instance_uuid
FROM repair AS r INDEXED BY repair_run
JOIN entry AS e ON e.message_id = r.message_id
WHERE r.run_id = :run_id AND EXISTS (
  SELECT 1 FROM entry AS later INDEXED BY entry_instance
  WHERE later.instance_uuid = r.instance_uuid AND later.directory = ''
    AND (later.number > e.number OR later.occurred_at > e.occurred_at))
"""

#: Entries of a run that an unregister of an earlier time keeps away.
KEPT_AWAY = """
SELECT count(*)
FROM repair AS r INDEXED BY repair_run
JOIN entry AS e ON e.message_id = r.message_id
WHERE r.run_id = :run_id AND r.verb IN ('register', 'refresh') AND EXISTS (
  SELECT 1 FROM entry AS final INDEXED BY entry_instance
  WHERE final.instance_uuid = r.instance_uuid AND final.verb = 'unregister'
    AND final.occurred_at < e.occurred_at
    AND final.directory IN ('', e.directory))
"""

#: An allowed plan of which nothing was stored was not applied.
WAS_ALLOWED = """
SELECT EXISTS (
  SELECT 1 FROM run WHERE plan_id = ? AND allowed AND EXISTS (
    SELECT 1 FROM repair AS r INDEXED BY repair_run
    WHERE r.run_id = run.run_id))
"""

#: The word of the guard stays: a comparison that only looks does not ask it.
NOTE_COMPARISON = """
INSERT INTO comparison (directory, compared_at, whole, instances, entries,
                        found)
VALUES (:directory, :compared_at, :whole, :instances, :entries, :found)
ON CONFLICT (directory) DO UPDATE SET
  compared_at = excluded.compared_at, whole = excluded.whole,
  instances = excluded.instances, entries = excluded.entries,
  found = excluded.found
"""

NOTE_GUARD = """
UPDATE comparison SET guarded_at = :guarded_at, stops = :stops
WHERE directory = :directory
"""

COMPARISONS = "SELECT * FROM comparison ORDER BY directory"

NOTE_READING = """
INSERT INTO reading (cloud, kind, read_at, instances)
VALUES (:cloud, :kind, :read_at, :instances)
ON CONFLICT (cloud, kind) DO UPDATE SET
  read_at = excluded.read_at, instances = excluded.instances
"""

LAST_READING = """
SELECT read_at, instances FROM reading WHERE cloud = ? AND kind = ?
"""
