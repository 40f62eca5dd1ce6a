# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The statements behind a claim and its settlement."""

STORE = """
INSERT INTO entry (message_id, event_type, verb, instance_uuid, occurred_at,
                   stored_at, request_id, record)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (message_id) DO NOTHING RETURNING number
"""

PARK = """
INSERT INTO parked (message_id, event_type, instance_uuid, stored_at, reason,
                    notification)
VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (message_id) DO NOTHING RETURNING number
"""

#: The oldest entry of each instance, if it is put off no longer, those that
#: have waited longest first.
DUE = """
SELECT x.number, x.instance_uuid, x.attempts, x.deferrals
FROM exception AS x
WHERE x.directory = ? AND x.state = 'deferred' AND x.not_before <= ?
  AND NOT EXISTS (
    SELECT 1 FROM exception AS older
    WHERE older.directory = x.directory AND older.state = 'deferred'
      AND older.instance_uuid = x.instance_uuid AND older.number < x.number)
ORDER BY x.not_before, x.number LIMIT ?
"""

#: One that is put off for longer than any wait lasts was so by a clock that
#: was wrong.
OUT_OF_TIME = DUE.replace("x.not_before <= ?", "x.not_before > ?")

#: All that waits of some instances.
WAITING = """
SELECT number, instance_uuid, attempts, deferrals FROM exception
WHERE directory = ? AND state = 'deferred'
  AND instance_uuid IN (SELECT value FROM json_each(?))
ORDER BY number
"""

#: What was delivered and is to be once more by now.
REPEATS = """
SELECT number, instance_uuid, attempts, deferrals FROM exception
WHERE directory = ? AND state = 'repeat' AND not_before <= ?
ORDER BY not_before LIMIT ?
"""

#: What came since, and whether it must wait behind another of its instance.
FRESH = """
SELECT e.number, e.instance_uuid,
  EXISTS (
    SELECT 1 FROM exception AS x
    WHERE x.directory = ? AND x.state = 'deferred'
      AND x.instance_uuid = e.instance_uuid)
FROM entry AS e WHERE e.number > ? ORDER BY e.number LIMIT ?
"""

#: All that is stored of some instances, oldest first, and whether this
#: directory refused it or an operator gave it up.
HISTORY = """
SELECT e.number, e.message_id, e.event_type, e.verb, e.occurred_at,
  e.request_id, e.instance_uuid, e.record, e.stored_at,
  coalesce(o.remote_address, ''),
  coalesce(x.state, '') = 'buried' OR EXISTS (
    SELECT 1 FROM journal AS j
    WHERE j.number = e.number AND j.directory = ? AND j.what = 'dropped')
FROM json_each(?) AS one
JOIN entry AS e ON e.instance_uuid = one.value
LEFT JOIN origin AS o ON o.request_id = e.request_id
LEFT JOIN exception AS x ON x.directory = ? AND x.number = e.number
ORDER BY e.number
"""

BURIED = """
SELECT e.number, e.message_id, e.event_type, e.verb, e.occurred_at,
  e.request_id, e.instance_uuid, e.record, e.stored_at, '',
  x.attempts, x.deferrals, x.reason
FROM exception AS x JOIN entry AS e USING (number)
WHERE x.directory = ? AND x.state = 'buried' ORDER BY x.number
"""

PENDING = """
SELECT (SELECT count(*) FROM exception
        WHERE directory = ? AND state = 'deferred')
     + (SELECT count(*) FROM entry WHERE number > coalesce(
          (SELECT number FROM position WHERE directory = ?), 0))
"""

#: What an operator has dropped while it was in hand stays dropped.
KEEP = """
INSERT INTO exception (directory, number, instance_uuid, state, attempts,
                       deferrals, not_before, reason)
SELECT :directory, :number, :instance, :state, :attempts, :deferrals,
       :not_before, :reason
WHERE :number > coalesce(
    (SELECT number FROM position WHERE directory = :directory), 0)
  OR EXISTS (SELECT 1 FROM exception
    WHERE directory = :directory AND number = :number)
ON CONFLICT (directory, number) DO UPDATE SET
  state = excluded.state, attempts = excluded.attempts,
  deferrals = excluded.deferrals, not_before = excluded.not_before,
  reason = excluded.reason
"""

ADVANCE = """
INSERT INTO position (directory, number) VALUES (?, ?)
ON CONFLICT (directory) DO UPDATE SET number = excluded.number
"""

#: One row for what happens again and again, an outage's deferrals above all.
NOTE = """
INSERT INTO journal (number, directory, what, reason, times, first_at,
                     last_at)
VALUES (?, ?, ?, ?, 1, ?, ?)
ON CONFLICT (number, directory, what, reason) DO UPDATE SET
  times = times + 1, last_at = excluded.last_at
"""

#: Old entries that nobody needs, a few at a time: other writers wait for us.
PURGE = """
DELETE FROM entry WHERE number IN (
  SELECT e.number FROM entry AS e
  WHERE e.stored_at < ? AND e.number <= ?
    AND NOT EXISTS (SELECT 1 FROM exception AS x WHERE x.number = e.number)
  LIMIT 500)
RETURNING number
"""
