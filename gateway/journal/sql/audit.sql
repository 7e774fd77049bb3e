-- The audit chain.

-- name: insert_audit
-- Appends a row.
INSERT INTO audit (seq, time, exchange_id, station, detail, previous, hash)
VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: update_audit_head
-- Records the row just appended as the last one.
UPDATE audit_head SET seq = :seq, hash = :hash WHERE one = 1;

-- name: audit_rows
-- Rows behind a number, in order.
SELECT seq, time, exchange_id, station, detail, previous, hash FROM audit
WHERE seq > :after ORDER BY seq LIMIT :limit;

-- name: audit_trail
-- The rows of one exchange in order.
SELECT seq, time, exchange_id, station, detail, previous, hash FROM audit
WHERE exchange_id = :exchange_id ORDER BY seq;

-- name: count_audit
-- How many rows the audit has.
SELECT count(*) FROM audit;
