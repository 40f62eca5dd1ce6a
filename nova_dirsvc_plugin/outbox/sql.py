# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The SQL of the outbox; rows are read by the names of their columns.

What is still to be delivered is ``state IN ('waiting', 'deferred')``, in the
words of the indexes ``backlog_due`` and ``backlog_instance``: SQLite uses a
partial index only where the query has its condition.
"""

STORE = """
INSERT INTO entry (message_id, event_type, verb, instance_uuid, occurred_at,
                   stored_at, request_id, record, checksum, directory)
VALUES (:message_id, :event_type, :verb, :instance_uuid, :occurred_at,
        :stored_at, :request_id, :record, :checksum, :directory)
ON CONFLICT (message_id) DO NOTHING
"""

PARK = """
INSERT INTO parked (message_id, event_type, instance_uuid, stored_at, reason,
                    notification)
VALUES (:message_id, :event_type, :instance_uuid, :stored_at, :reason,
        :notification)
ON CONFLICT (message_id) DO NOTHING
"""

NOTE_ORIGIN = """
INSERT INTO origin (request_id, remote_address, stored_at)
VALUES (:request_id, :remote_address, :stored_at)
ON CONFLICT (request_id) DO NOTHING
"""

# -- a claim ----------------------------------------------------------------

#: The oldest open entry of each instance, if it is due, longest wait first.
DUE = """
SELECT x.number, x.instance_uuid,
  CAST(x.attempts AS INTEGER) AS attempts,
  CAST(x.deferrals AS INTEGER) AS deferrals, 0 AS set_back
FROM backlog AS x INDEXED BY backlog_due
WHERE x.directory = :directory AND x.state IN ('waiting', 'deferred')
  AND x.not_before <= :now
  AND NOT EXISTS (
    SELECT 1 FROM backlog AS older INDEXED BY backlog_instance
    WHERE older.directory = x.directory
      AND older.state IN ('waiting', 'deferred')
      AND older.instance_uuid = x.instance_uuid AND older.number < x.number)
ORDER BY x.not_before, x.number LIMIT :limit
"""

#: One that waits for longer than any wait lasts: its time is damaged, or is no
#: number. That of one behind another is infinite: see ``WAKE``.
DUE_DAMAGED = DUE.replace(
    "x.not_before <= :now", "x.not_before > :latest AND x.not_before < 9e999"
)
DUE_NO_TIME = DUE.replace("x.not_before <= :now", "x.not_before > 9e999")

#: Those whose wait began at a time that is still to come: the clock was set
#: back since, and nobody knows how long they have waited.
DUE_SET_BACK = DUE.replace(
    "x.not_before <= :now", "x.not_before > :now AND x.deferred_at > :now"
).replace("backlog_due", "backlog_set_back")

#: The oldest open entries of some instances, so many of each.
OPEN = """
SELECT x.number, x.instance_uuid,
  CAST(x.attempts AS INTEGER) AS attempts,
  CAST(x.deferrals AS INTEGER) AS deferrals, 0 AS set_back
FROM json_each(:instances) AS one
CROSS JOIN backlog AS x
  ON x.directory = :directory AND x.number IN (
    SELECT number FROM backlog INDEXED BY backlog_instance
    WHERE directory = :directory AND state IN ('waiting', 'deferred')
      AND instance_uuid = one.value
    ORDER BY number LIMIT :each)
ORDER BY x.number
"""

#: Removals that are to be confirmed by now.
CONFIRM = """
SELECT number, instance_uuid, CAST(attempts AS INTEGER) AS attempts,
  CAST(deferrals AS INTEGER) AS deferrals, 0 AS set_back
FROM backlog
WHERE directory = :directory AND state = 'confirm' AND not_before <= :now
ORDER BY not_before LIMIT :limit
"""

CONFIRM_SET_BACK = """
SELECT number, instance_uuid, CAST(attempts AS INTEGER) AS attempts,
  CAST(deferrals AS INTEGER) AS deferrals, 1 AS set_back
FROM backlog INDEXED BY backlog_confirm_set_back
WHERE directory = :directory AND state = 'confirm' AND deferred_at > :now
  AND not_before > :now
LIMIT :limit
"""

#: The latest time that the clock of a process here has shown.
LATEST = "SELECT CAST(max(stored_at) AS REAL) FROM entry"

#: New entries, whether they are for another directory, and whether an open
#: entry of the same instance is older.
FRESH = """
SELECT e.number, e.instance_uuid,
  e.directory NOT IN ('', :directory) AS elsewhere,
  EXISTS (
    SELECT 1 FROM backlog AS x INDEXED BY backlog_instance
    WHERE x.directory = :directory AND x.state IN ('waiting', 'deferred')
      AND x.instance_uuid = e.instance_uuid) AS blocked
FROM entry AS e WHERE e.number > :position ORDER BY e.number LIMIT :limit
"""

#: The numbers of entries of some instances: those of the summary, and so many
#: of those that came after it was made.
NUMBERS = """
WITH one AS MATERIALIZED (
  SELECT j.value AS instance_uuid, s.numbers,
    coalesce(CAST(s.up_to AS INTEGER), 0) AS up_to
  FROM json_each(:instances) AS j LEFT JOIN summary AS s
    ON s.instance_uuid = j.value AND s.directory = :directory
    AND json_valid(s.numbers))
SELECT one.instance_uuid, n.value AS number, 0 AS after
FROM one CROSS JOIN json_each(one.numbers) AS n
WHERE n.type = 'integer'
UNION ALL
SELECT one.instance_uuid, e.number, 1
FROM one CROSS JOIN entry AS e
  ON e.number IN (
    SELECT number FROM entry INDEXED BY entry_instance
    WHERE instance_uuid = one.instance_uuid AND number > one.up_to
    ORDER BY number LIMIT :window)
"""

#: Of an instance with more than those: the latest entries, which show what to
#: believe of those before, and the removals that may decide.
NUMBERS_BEYOND = """
SELECT number FROM (
  SELECT number FROM entry INDEXED BY entry_instance
  WHERE instance_uuid = :instance_uuid AND directory IN ('', :directory)
  ORDER BY number DESC LIMIT :few)
UNION
SELECT number FROM (
  SELECT number FROM entry INDEXED BY entry_removal
  WHERE instance_uuid = :instance_uuid AND verb = 'unregister'
    AND verb IN ('unregister', 'soft-unregister')
    AND directory IN ('', :directory)
  ORDER BY occurred_at DESC LIMIT :few)
UNION
SELECT number FROM (
  SELECT number FROM entry INDEXED BY entry_removal
  WHERE instance_uuid = :instance_uuid AND verb = 'soft-unregister'
    AND verb IN ('unregister', 'soft-unregister')
    AND directory IN ('', :directory)
  ORDER BY occurred_at DESC LIMIT :few)
"""

#: Some entries, oldest first, and whether this directory has taken each: it
#: has not while one waits, was refused or was dropped.
HISTORY = """
SELECT e.*, coalesce(o.remote_address, '') AS remote_address,
  e.number <= :position AND coalesce(x.state, 'confirm') = 'confirm'
  AND NOT EXISTS (
    SELECT 1 FROM journal AS j
    WHERE j.number = e.number AND j.directory = :directory
      AND j.state = 'dropped') AS taken
FROM json_each(:numbers) AS one
CROSS JOIN entry AS e ON e.number = one.value
LEFT JOIN origin AS o ON o.request_id = e.request_id
LEFT JOIN backlog AS x ON x.directory = :directory AND x.number = e.number
ORDER BY e.number
"""

# -- its settlement ---------------------------------------------------------

#: What an operator has dropped while it was claimed stays dropped.
KEEP = """
INSERT INTO backlog (directory, number, instance_uuid, state, attempts,
                     deferrals, deferred_at, not_before, reason)
SELECT :directory, :number, :instance_uuid, :state, :attempts, :deferrals,
       :deferred_at, :not_before, :reason
WHERE :number > coalesce(
    (SELECT number FROM position WHERE directory = :directory), 0)
  OR EXISTS (SELECT 1 FROM backlog
    WHERE directory = :directory AND number = :number)
ON CONFLICT (directory, number) DO UPDATE SET
  instance_uuid = excluded.instance_uuid, state = excluded.state,
  attempts = excluded.attempts, deferrals = excluded.deferrals,
  deferred_at = excluded.deferred_at, not_before = excluded.not_before,
  reason = excluded.reason
"""

REMOVE = "DELETE FROM backlog WHERE directory = ? AND number = ?"

#: The oldest open entry of an instance waits behind no other.
WAKE = """
UPDATE backlog SET not_before = 0
WHERE directory = :directory AND not_before = 9e999 AND number = (
  SELECT number FROM backlog INDEXED BY backlog_instance
  WHERE directory = :directory AND state IN ('waiting', 'deferred')
    AND instance_uuid = :instance_uuid
  ORDER BY number LIMIT 1)
"""

SUMMARISE = """
INSERT INTO summary (instance_uuid, directory, up_to, numbers)
VALUES (:instance_uuid, :directory, :up_to, :numbers)
ON CONFLICT (instance_uuid, directory) DO UPDATE SET
  up_to = max(up_to, excluded.up_to), numbers = excluded.numbers
"""

ADVANCE = """
INSERT INTO position (directory, number) VALUES (?, ?)
ON CONFLICT (directory) DO UPDATE SET number = excluded.number
"""

#: One row for what happens again and again, an outage's deferrals above all.
NOTE = """
INSERT INTO journal (number, directory, state, reason, times, first_at,
                     last_at)
VALUES (?, ?, ?, ?, 1, ?, ?)
ON CONFLICT (number, directory, state, reason) DO UPDATE SET
  times = times + 1, last_at = excluded.last_at
"""

LAST_NUMBER = "SELECT coalesce(max(number), 0) FROM entry"

POSITION = """
SELECT CAST(number AS INTEGER) FROM position WHERE directory = ?
"""

#: Old entries from some place on, and whether one is still needed.
OLD = """
SELECT e.number, e.stored_at,
  EXISTS (SELECT 1 FROM backlog AS x WHERE x.number = e.number) AS kept
FROM (
  SELECT * FROM (
    SELECT number, stored_at FROM entry INDEXED BY entry_stored
    WHERE stored_at = :at AND number > :number ORDER BY number LIMIT :limit)
  UNION ALL
  SELECT * FROM (
    SELECT number, stored_at FROM entry INDEXED BY entry_stored
    WHERE stored_at > :at AND stored_at < :before
    ORDER BY stored_at, number LIMIT :limit)
  LIMIT :limit) AS e
"""

PURGE = """
DELETE FROM entry WHERE number = ?1
  AND NOT EXISTS (SELECT 1 FROM backlog AS x WHERE x.number = ?1)
"""

#: With the last of its entries.
PURGE_SUMMARY = """
DELETE FROM summary WHERE instance_uuid = (
    SELECT instance_uuid FROM entry WHERE number = ?1)
  AND NOT EXISTS (
    SELECT 1 FROM entry AS e INDEXED BY entry_instance
    WHERE e.instance_uuid = summary.instance_uuid AND e.number <> ?1)
"""

PURGE_JOURNAL = "DELETE FROM journal WHERE number = ?"

#: One whose entry is still needed stays with it.
PURGE_REPAIRS = """
DELETE FROM repair WHERE place IN (
  SELECT r.place FROM repair AS r INDEXED BY repair_stored
  WHERE r.stored_at < ? AND NOT EXISTS (
    SELECT 1 FROM entry AS e WHERE e.message_id = r.message_id)
  LIMIT ?)
"""

PURGE_RUNS = """
DELETE FROM run WHERE run_id IN (
  SELECT run_id FROM run WHERE started_at < ? AND NOT EXISTS (
    SELECT 1 FROM repair AS r INDEXED BY repair_run
    WHERE r.run_id = run.run_id)
  LIMIT ?)
"""

PURGE_ORIGIN = """
DELETE FROM origin WHERE request_id IN (
  SELECT request_id FROM origin WHERE stored_at < ? LIMIT ?)
"""

# -- an operator's decisions ------------------------------------------------

RETRY_BURIED = """
UPDATE backlog
SET state = 'waiting', attempts = 0, deferrals = 0, not_before = 0,
  reason = ''
WHERE directory = :directory AND number = :number AND state = 'buried'
"""

#: With those that it waits for.
RETRY_DEFERRED = """
UPDATE backlog SET not_before = 0
WHERE directory = :directory AND state IN ('waiting', 'deferred')
  AND number <= :number
  AND instance_uuid = :instance_uuid
  AND EXISTS (SELECT 1 FROM backlog AS x WHERE x.directory = :directory
    AND x.number = :number AND x.state = 'deferred')
"""

DROP = """
DELETE FROM backlog
WHERE directory = :directory AND number = :number
  AND state IN ('buried', 'deferred')
"""

DROP_PARKED = "DELETE FROM parked WHERE number = :number"

#: A directory is forgotten a portion at a time, its position at last.
FORGET_BACKLOG = """
DELETE FROM backlog WHERE directory = :directory AND number IN (
  SELECT number FROM backlog WHERE directory = :directory LIMIT :limit)
"""

FORGET_SUMMARY = """
DELETE FROM summary WHERE (instance_uuid, directory) IN (
  SELECT instance_uuid, directory FROM summary
  WHERE directory = :directory LIMIT :limit)
"""

FORGET_POSITION = "DELETE FROM position WHERE directory = :directory"

# -- what an operator sees --------------------------------------------------

DIRECTORIES = """
SELECT directory FROM position UNION
SELECT directory FROM tally WHERE entries > 0 ORDER BY 1
"""

#: The listings begin at the oldest entry and stop at the limit.
ITEMS = """
SELECT e.number, x.directory, x.state, e.verb, e.event_type, e.instance_uuid,
  x.attempts, e.stored_at, CAST(x.deferred_at AS REAL) AS deferred_at,
  CAST(x.not_before AS REAL) AS not_before, x.reason
FROM backlog AS x INDEXED BY backlog_state
CROSS JOIN entry AS e ON e.number = x.number
WHERE x.directory = :directory AND x.state = :state
  AND x.number BETWEEN :first AND :last
ORDER BY x.number LIMIT :limit
"""

#: The same of one instance, however many others there are.
ITEMS_OF_INSTANCE = ITEMS.replace(
    """FROM backlog AS x INDEXED BY backlog_state
CROSS JOIN entry AS e ON e.number = x.number
WHERE""",
    """FROM entry AS e INDEXED BY entry_instance
CROSS JOIN backlog AS x ON x.number = e.number
WHERE e.instance_uuid = :instance AND""",
)

#: Those that got their state last: a backlog has the time of that.
ITEMS_LATEST = ITEMS.replace("backlog_state", "backlog_latest").replace(
    "ORDER BY x.number", "ORDER BY x.deferred_at DESC, x.number DESC"
)

ITEMS_FRESH = """
SELECT e.number, :directory AS directory, 'waiting' AS state, e.verb,
  e.event_type, e.instance_uuid, 0 AS attempts, e.stored_at,
  NULL AS deferred_at,
  NULL AS not_before, '' AS reason
FROM entry AS e
WHERE e.number BETWEEN max(:first, :position + 1) AND :last AND {instance}
  AND e.directory IN ('', :directory)
ORDER BY e.number LIMIT :limit
"""

#: The journal has the final state of an entry: *delivered* even where its
#: second removal was skipped, else the last one.
ITEMS_FINAL = """
SELECT number, directory, coalesce(state, 'delivered') AS state, verb,
  event_type, instance_uuid, 0 AS attempts, stored_at, NULL AS deferred_at,
  NULL AS not_before,
  coalesce((
    SELECT reason FROM journal AS j
    WHERE j.number = found.number AND j.directory = found.directory
      AND j.state = found.state
    ORDER BY last_at DESC LIMIT 1), '') AS reason
FROM (
  SELECT e.number, :directory AS directory, e.verb, e.event_type,
    e.instance_uuid, e.stored_at, (
      SELECT state FROM journal AS j
      WHERE j.number = e.number AND j.directory = :directory
        AND j.state IN ('delivered', 'skipped', 'dropped')
      ORDER BY j.state = 'delivered' DESC, j.last_at DESC LIMIT 1) AS state
  FROM entry AS e
  WHERE e.number BETWEEN :first AND min(:last, :position) AND {instance}
    AND NOT EXISTS (SELECT 1 FROM backlog AS x
      WHERE x.directory = :directory AND x.number = e.number)
) AS found
WHERE coalesce(state, 'delivered') IN (SELECT value FROM json_each(:states))
ORDER BY number LIMIT :limit
"""

ITEMS_PARKED = """
SELECT number, '' AS directory, 'parked' AS state, '' AS verb, event_type,
  instance_uuid, 0 AS attempts, stored_at, NULL AS deferred_at,
  NULL AS not_before, reason
FROM parked WHERE :instance = '' OR instance_uuid = :instance
ORDER BY number LIMIT :limit
"""

ENTRY = """
SELECT e.*, coalesce(o.remote_address, '') AS remote_address
FROM entry AS e LEFT JOIN origin AS o ON o.request_id = e.request_id
WHERE e.number = ?
"""

REPAIR = "SELECT run_id, attributes, before FROM repair WHERE message_id = ?"

PARKED = """
SELECT number, coalesce(message_id, '') AS message_id, event_type,
  instance_uuid, stored_at, reason, notification
FROM parked WHERE number = ?
"""

JOURNAL = """
SELECT directory, state, reason, times, first_at, last_at
FROM journal WHERE number = ? ORDER BY first_at, last_at
"""

#: The latest events of one instance, without those for one directory only.
LATEST_OF_INSTANCE = """
SELECT e.*, coalesce(o.remote_address, '') AS remote_address
FROM entry AS e INDEXED BY entry_instance
LEFT JOIN origin AS o ON o.request_id = e.request_id
WHERE e.instance_uuid = ? AND e.directory = ''
ORDER BY e.number DESC LIMIT ?
"""

#: What happened to one instance: its entries, and what was done about each.
HISTORY_OF_INSTANCE = """
SELECT CAST(stored_at AS REAL) AS at, CAST(stored_at AS REAL) AS until,
  number, 'stored' AS what,
  directory, verb, event_type, request_id, occurred_at, 1 AS times,
  '' AS reason
FROM entry WHERE instance_uuid = :instance_uuid
UNION ALL
SELECT CAST(j.first_at AS REAL), CAST(j.last_at AS REAL), j.number, j.state,
  j.directory, e.verb, e.event_type, e.request_id, NULL,
  CAST(j.times AS INTEGER), j.reason
FROM entry AS e JOIN journal AS j USING (number)
WHERE e.instance_uuid = :instance_uuid
"""

PARKED_OF_INSTANCE = """
SELECT CAST(stored_at AS REAL) AS stored_at, number, event_type, reason,
  notification
FROM parked
WHERE instance_uuid = :instance_uuid
"""

TOTALS = """
SELECT (SELECT count(*) FROM entry) AS entries,
  (SELECT count(*) FROM parked) AS parked,
  (SELECT max(stored_at) FROM entry) AS last_stored
"""

#: The latest of Nova's own events: repairs are dated by their reading.
LATEST_EVENT = """
SELECT number, CAST(stored_at AS REAL) AS stored_at,
  CAST(occurred_at AS REAL) AS occurred_at
FROM entry WHERE directory = '' ORDER BY number DESC LIMIT 1
"""

COUNT_FRESH = """
SELECT count(*) AS entries,
  (SELECT CAST(stored_at AS REAL) FROM entry WHERE number > :position
    ORDER BY number LIMIT 1) AS oldest
FROM entry WHERE number > :position
"""

#: Where there are many, an index has them on fewer pages.
COUNT_MANY_FRESH = (
    "".join(COUNT_FRESH.rpartition("FROM entry")[:2])
    + " INDEXED BY entry_stored WHERE number > :position"
)

#: Of those, the ones that are for other directories.
COUNT_ELSEWHERE = """
SELECT count(*) FROM entry INDEXED BY entry_directory
WHERE directory <> '' AND directory <> :directory AND number > :position
"""

COUNT_BACKLOG = """
SELECT t.state, t.entries, (
    SELECT CAST(e.stored_at AS REAL) FROM entry AS e
    WHERE e.number = (
      SELECT min(number) FROM backlog INDEXED BY backlog_state
      WHERE directory = t.directory AND state = t.state)) AS oldest
FROM tally AS t WHERE t.directory = :directory AND t.entries > 0
"""
