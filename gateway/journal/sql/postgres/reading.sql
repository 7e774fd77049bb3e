-- What is asked of the journal beside the writing.

-- name: exchange
-- One exchange.
SELECT exchange_id, protocol, peer, sender, control_id, kind, fingerprint, status,
    stage = 'final' AS final, received_at, answered_at, owner <> '' AS held
FROM exchanges WHERE exchange_id = $1;

-- name: exchanges
-- Exchanges, newest first, older than the exchange $2 where that is not empty; $1 at most.
SELECT exchange_id, protocol, peer, sender, control_id, kind, fingerprint, status,
    stage = 'final' AS final, received_at, answered_at
FROM exchanges
WHERE seq < CASE WHEN $2::text = '' THEN 9223372036854775807 ELSE
    (SELECT seq FROM exchanges WHERE exchange_id = $2::text) END
ORDER BY seq DESC LIMIT $1;

-- name: exchanges_of_status
-- The same, of the status $3.
SELECT exchange_id, protocol, peer, sender, control_id, kind, fingerprint, status,
    stage = 'final' AS final, received_at, answered_at
FROM exchanges
WHERE status = $3
    AND seq < CASE WHEN $2::text = '' THEN 9223372036854775807 ELSE
        (SELECT seq FROM exchanges WHERE exchange_id = $2::text) END
ORDER BY seq DESC LIMIT $1;

-- name: abandoned_exchanges
-- Unanswered exchanges whose owner has no licence any more, oldest first, $1 at most.
SELECT exchange_id, protocol, peer, sender, control_id, kind, fingerprint, status,
    stage = 'final' AS final, received_at, answered_at
FROM exchanges AS e
WHERE status = 'open' AND owner <> ''
    AND NOT EXISTS (SELECT FROM instances AS i WHERE i.instance = e.owner)
ORDER BY seq LIMIT $1;

-- name: is_worked_on
-- True while an exchange has no answer and its owner has its licence.
SELECT EXISTS (
    SELECT FROM exchanges AS e JOIN instances AS i ON i.instance = e.owner
    WHERE e.exchange_id = $1 AND e.stage = 'open'
);

-- name: message
-- The bytes and the context of a message.
SELECT raw, context FROM exchange_messages WHERE exchange_id = $1;

-- name: answer
-- The answer and the result of an exchange.
SELECT answer, result FROM exchange_answers WHERE exchange_id = $1;

-- name: reply
-- The platform's reply to a send.
SELECT reply FROM send_replies WHERE msgid = $1;

-- name: send
-- One send.
SELECT * FROM sends WHERE msgid = $1;

-- name: sends
-- Sends, oldest first, $1 at most.
SELECT * FROM sends ORDER BY seq LIMIT $1;

-- name: sends_in_state
-- Sends in the state $2, oldest first, $1 at most.
SELECT * FROM sends WHERE state = $2 ORDER BY seq LIMIT $1;

-- name: sends_of_visit
-- Sends of the visit $2, of the state $3 and exchange $4 where these are not empty, oldest first.
SELECT * FROM sends
WHERE visit_key = $2 AND ($3::text = '' OR state = $3::text)
    AND ($4::text = '' OR exchange_id = $4::text)
ORDER BY seq LIMIT $1;

-- name: sends_of_exchange
-- Sends of the exchange $2, of the state $3 where that is not empty, oldest first.
SELECT * FROM sends
WHERE exchange_id = $2 AND ($3::text = '' OR state = $3::text)
ORDER BY seq LIMIT $1;

-- name: visit
-- One visit.
SELECT key, state, version, data FROM visits WHERE key = $1;

-- name: visits
-- Visits in the order of their keys, behind $2, $1 at most.
SELECT key, state, version, data FROM visits WHERE key > $2 ORDER BY key LIMIT $1;

-- name: visits_in_state
-- The same, in the state $3.
SELECT key, state, version, data FROM visits WHERE state = $3 AND key > $2 ORDER BY key LIMIT $1;

-- name: book
-- One book: kind, key.
SELECT kind, key, state, version, data FROM books WHERE kind = $1 AND key = $2;

-- name: books
-- Books of the kind $1 in the order of their keys, behind $2, that begin with $3; $4 at most.
SELECT kind, key, state, version, data FROM books
WHERE kind = $1 AND key > $2 AND key >= $3::text AND key < $3::text || chr(1114111)
ORDER BY key LIMIT $4;

-- name: sends_of_money
-- Money transactions from $1 to before $2, of the number $3 where that is not empty, oldest first.
SELECT * FROM sends
WHERE money AND created_at >= $1 AND created_at < $2 AND ($3::text = '' OR infno = $3::text)
ORDER BY created_at, seq;

-- name: session
-- The sign-in number of the key $1, unless it expired before $2.
SELECT value FROM sessions WHERE key = $1 AND expires > $2;

-- name: resource
-- One resource.
SELECT type, id, body, search FROM resources WHERE type = $1 AND id = $2;

-- name: resources
-- Resources of the type $1, last changed first; $2 at most, from $3 on.
SELECT type, id, body, search FROM resources
WHERE type = $1 ORDER BY changed DESC LIMIT $2 OFFSET $3;

-- name: changed_resources
-- Resources of the type $1 behind the place $2 in the order of changes, each with its own, first
-- changed first; $3 at most.
SELECT changed, type, id, body, search FROM resources
WHERE type = $1 AND changed > $2 ORDER BY changed LIMIT $3;

-- name: count_resources_of_type
-- How many resources of a type there are.
SELECT count(*) FROM resources WHERE type = $1;

-- name: find_resources
-- Resources of the type $1 that have, for each of $4 parameters, one of the wanted tokens (arrays
-- $2 of parameters and $3 of tokens); last changed first, $5 at most, from $6 on.
SELECT r.type, r.id, r.body, r.search FROM resources AS r
WHERE r.changed IN (
    SELECT t.changed FROM unnest($2::text[], $3::text[]) AS w (name, token)
    JOIN resource_tokens AS t ON t.type = $1 AND t.name = w.name AND t.token = w.token
    GROUP BY t.changed HAVING count(DISTINCT t.name) = $4
)
ORDER BY r.changed DESC LIMIT $5 OFFSET $6;

-- name: count_found_resources
-- How many resources find_resources would give without limit.
SELECT count(*) FROM (
    SELECT t.changed FROM unnest($2::text[], $3::text[]) AS w (name, token)
    JOIN resource_tokens AS t ON t.type = $1 AND t.name = w.name AND t.token = w.token
    GROUP BY t.changed HAVING count(DISTINCT t.name) = $4
) AS found;

-- name: audit_rows
-- Rows behind a number, in order.
SELECT seq, time, exchange_id, station, detail, previous, hash FROM audit
WHERE seq > $1 ORDER BY seq LIMIT $2;

-- name: audit_trail
-- The rows of one exchange in order.
SELECT seq, time, exchange_id, station, detail, previous, hash FROM audit
WHERE exchange_id = $1 ORDER BY seq;

-- name: audit_found
-- Rows of a peer's exchanges in a span of numbers and time, of these outcomes, last first.
SELECT a.seq, a.time, a.exchange_id, a.station, a.detail, a.previous, a.hash
FROM audit AS a JOIN exchanges AS x ON x.exchange_id = a.exchange_id
WHERE x.peer = $1 AND a.seq > $2 AND a.seq <= $3 AND a.time >= $4 AND a.time < $5
  AND strpos($6, CASE
    WHEN a.detail LIKE '%"outcome":"unknown"%' OR a.detail LIKE '%"status":"unknown"%' THEN '8'
    WHEN a.detail LIKE '%"outcome":"rejected"%' OR a.detail LIKE '%"status":"rejected"%'
      OR a.detail LIKE '%"outcome":"not-sent"%' OR a.detail LIKE '%"status":"not-sent"%'
      OR a.detail LIKE '%"outcome":"invalid"%' OR a.detail LIKE '%"status":"invalid"%' THEN '4'
    ELSE '0' END) > 0
ORDER BY a.seq DESC LIMIT $7 OFFSET $8;

-- name: count_audit_found
-- How many those are.
SELECT count(*)
FROM audit AS a JOIN exchanges AS x ON x.exchange_id = a.exchange_id
WHERE x.peer = $1 AND a.seq > $2 AND a.seq <= $3 AND a.time >= $4 AND a.time < $5
  AND strpos($6, CASE
    WHEN a.detail LIKE '%"outcome":"unknown"%' OR a.detail LIKE '%"status":"unknown"%' THEN '8'
    WHEN a.detail LIKE '%"outcome":"rejected"%' OR a.detail LIKE '%"status":"rejected"%'
      OR a.detail LIKE '%"outcome":"not-sent"%' OR a.detail LIKE '%"status":"not-sent"%'
      OR a.detail LIKE '%"outcome":"invalid"%' OR a.detail LIKE '%"status":"invalid"%' THEN '4'
    ELSE '0' END) > 0;

-- name: counts
-- Rows by status or state, and other numbers for operators, each as kind, name and count.
SELECT 'exchanges' AS kind, status AS name, count(*) AS count FROM exchanges GROUP BY status
UNION ALL
SELECT 'sends', state, count(*) FROM sends GROUP BY state
UNION ALL
SELECT 'visits', state, count(*) FROM visits GROUP BY state
UNION ALL
SELECT 'resources', '', count(*) FROM resources
UNION ALL
SELECT 'audit', '', count(*) FROM audit
UNION ALL
SELECT 'size', '', coalesce(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_class
WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r';
