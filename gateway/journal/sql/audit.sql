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

-- name: audit_found
-- Rows of a peer's exchanges in a span of numbers and time, of these outcomes, last first.
SELECT a.seq, a.time, a.exchange_id, a.station, a.detail, a.previous, a.hash
FROM audit AS a JOIN exchanges AS x ON x.exchange_id = a.exchange_id
WHERE x.peer = :peer AND a.seq > :after AND a.seq <= :until AND a.time >= :begin AND a.time < :end
  AND instr(:outcomes, CASE
    WHEN a.detail LIKE '%"outcome":"unknown"%' OR a.detail LIKE '%"status":"unknown"%' THEN '8'
    WHEN a.detail LIKE '%"outcome":"rejected"%' OR a.detail LIKE '%"status":"rejected"%'
      OR a.detail LIKE '%"outcome":"not-sent"%' OR a.detail LIKE '%"status":"not-sent"%'
      OR a.detail LIKE '%"outcome":"invalid"%' OR a.detail LIKE '%"status":"invalid"%' THEN '4'
    ELSE '0' END) > 0
ORDER BY a.seq DESC LIMIT :limit OFFSET :offset;

-- name: count_audit_found
-- How many those are.
SELECT count(*)
FROM audit AS a JOIN exchanges AS x ON x.exchange_id = a.exchange_id
WHERE x.peer = :peer AND a.seq > :after AND a.seq <= :until AND a.time >= :begin AND a.time < :end
  AND instr(:outcomes, CASE
    WHEN a.detail LIKE '%"outcome":"unknown"%' OR a.detail LIKE '%"status":"unknown"%' THEN '8'
    WHEN a.detail LIKE '%"outcome":"rejected"%' OR a.detail LIKE '%"status":"rejected"%'
      OR a.detail LIKE '%"outcome":"not-sent"%' OR a.detail LIKE '%"status":"not-sent"%'
      OR a.detail LIKE '%"outcome":"invalid"%' OR a.detail LIKE '%"status":"invalid"%' THEN '4'
    ELSE '0' END) > 0;
