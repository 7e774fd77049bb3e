-- Visits and sign-in numbers.

-- name: insert_visit
-- Stores a visit for the first time; no row is changed when it is there already.
INSERT INTO visits (key, state, version, data, updated_at) VALUES (:key, :state, 1, :data, :now)
ON CONFLICT (key) DO NOTHING;

-- name: update_visit
-- Stores a visit over the version that was read; no row is changed when that is not the last.
UPDATE visits SET state = :state, version = version + 1, data = :data, updated_at = :now
WHERE key = :key AND version = :version;

-- name: visit
-- One visit.
SELECT key, state, version, data FROM visits WHERE key = :key;

-- name: visits
-- Visits in the order of their keys.
SELECT key, state, version, data FROM visits WHERE key > :after ORDER BY key LIMIT :limit;

-- name: visits_in_state
-- Visits in one state in the order of their keys.
SELECT key, state, version, data FROM visits
WHERE state = :state AND key > :after ORDER BY key LIMIT :limit;

-- name: count_visits
-- Visits by state.
SELECT state, count(*) FROM visits GROUP BY state;

-- name: put_session
-- Keeps a sign-in number, over an earlier one.
INSERT INTO sessions (key, value, expires) VALUES (:key, :value, :expires)
ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires = excluded.expires;

-- name: drop_sessions
-- Removes sign-in numbers that expired.
DELETE FROM sessions WHERE expires <= :now;

-- name: session
-- The sign-in number of a key, unless it expired.
SELECT value FROM sessions WHERE key = :key AND expires > :now;
