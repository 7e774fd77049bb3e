-- The audit chain.

-- name: audit_head
-- The record of the last row.
SELECT seq, hash FROM audit_head WHERE one = 1;

-- name: insert_audit
-- Appends a row.
INSERT INTO audit (seq, time, exchange_id, station, detail, previous, hash)
VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: update_audit_head
-- Records the row just appended as the last one.
UPDATE audit_head SET seq = :seq, hash = :hash WHERE one = 1;

-- name: audit
-- The whole chain in order.
SELECT seq, time, exchange_id, station, detail, previous, hash FROM audit ORDER BY seq;

-- name: audit_trail
-- The rows of one exchange in order.
SELECT seq, time, exchange_id, station, detail, previous, hash FROM audit
WHERE exchange_id = :exchange_id ORDER BY seq;

-- name: count_audit
-- How many rows the audit has.
SELECT count(*) FROM audit;
