-- The audit chain, read in the words of either store.

-- name: audit_head
-- The record of the last row.
SELECT seq, hash FROM audit_head WHERE one = 1;

-- name: audit
-- The whole chain in order.
SELECT seq, time, exchange_id, station, detail, previous, hash FROM audit ORDER BY seq;
