# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The statements behind a claim and its settlement."""

COLUMNS = (
    "e.number, e.message_id, e.event_type, e.verb, e.occurred_at,"
    " e.request_id, e.instance_uuid, e.record, e.stored_at"
)

#: The oldest entry of each instance, if it is put off no longer, those that
#: have waited longest first. One that is put off for longer than any wait
#: lasts was so by a clock that was wrong.
DUE = f"""
SELECT {COLUMNS}, x.attempts, x.deferrals
FROM exception AS x JOIN entry AS e USING (number)
WHERE x.directory = ? AND x.state = 'deferred'
  AND (x.not_before <= ? OR x.not_before > ?)
  AND NOT EXISTS (
    SELECT 1 FROM exception AS older
    WHERE older.directory = ? AND older.state = 'deferred'
      AND older.instance_uuid = x.instance_uuid AND older.number < x.number)
ORDER BY x.not_before, x.number LIMIT ?
"""  # noqa: S608 - constants only

#: What came since, whether it must wait behind an exception of its instance,
#: and whether the instance had been unregistered before it came.
FRESH = f"""
SELECT {COLUMNS}, 0, 0,
  EXISTS (
    SELECT 1 FROM exception AS x
    WHERE x.directory = ? AND x.state = 'deferred'
      AND x.instance_uuid = e.instance_uuid),
  e.verb = 'register' AND EXISTS (
    SELECT 1 FROM entry AS gone
    WHERE gone.instance_uuid = e.instance_uuid
      AND gone.verb = 'unregister' AND gone.number < e.number)
FROM entry AS e WHERE e.number > ? ORDER BY e.number LIMIT ?
"""  # noqa: S608 - constants only

BURIED = f"""
SELECT {COLUMNS}, x.attempts, x.deferrals, x.reason
FROM exception AS x JOIN entry AS e USING (number)
WHERE x.directory = ? AND x.state = 'buried' ORDER BY x.number
"""  # noqa: S608 - constants only

PENDING = """
SELECT (SELECT count(*) FROM exception
        WHERE directory = ? AND state = 'deferred')
     + (SELECT count(*) FROM entry WHERE number > coalesce(
          (SELECT number FROM position WHERE directory = ?), 0))
"""

KEEP = """
INSERT INTO exception (directory, number, instance_uuid, state, attempts,
                       deferrals, not_before, reason)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (directory, number) DO UPDATE SET
  state = excluded.state, attempts = excluded.attempts,
  deferrals = excluded.deferrals, not_before = excluded.not_before,
  reason = excluded.reason
"""

ADVANCE = """
INSERT INTO position (directory, number) VALUES (?, ?)
ON CONFLICT (directory) DO UPDATE SET number = excluded.number
"""

#: Old entries that nobody needs, a few at a time: other writers wait for us.
PURGE = """
DELETE FROM entry WHERE number IN (
  SELECT e.number FROM entry AS e
  WHERE e.stored_at < ? AND e.number <= ?
    AND NOT EXISTS (SELECT 1 FROM exception AS x WHERE x.number = e.number)
  LIMIT 500)
"""
