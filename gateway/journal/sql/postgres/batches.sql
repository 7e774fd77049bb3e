-- What a batch of writes reads before it decides, and writes when it has decided: whole sets of
-- rows, handed over as arrays of columns.

-- name: begin_batch
-- Begins the transaction of a batch and waits until no other batch, of any process, is under way:
-- batches follow one another, and the hash chain has one order.
BEGIN;
SELECT pg_advisory_xact_lock((x'46534947'::bigint << 32) | 'audit_head'::regclass::oid::bigint);

-- name: commit_batch
-- Ends the transaction of a batch; it is on the disk when this returns.
COMMIT;

-- name: facts
-- The small facts that the writes of a batch ask for, each as kind, key and value; the transaction,
-- the schema, the licence of this instance ($1) and the head of the audit are always among them.
SELECT 'transaction' AS kind, pg_current_xact_id()::text AS key, '' AS value
UNION ALL
SELECT 'schema', max(number)::text, '' FROM migrations
UNION ALL
SELECT 'licence', instance, '' FROM instances WHERE instance = $1
UNION ALL
SELECT 'head', hash, seq::text FROM audit_head WHERE one = 1
UNION ALL
SELECT 'exchange', exchange_id, stage FROM exchanges WHERE exchange_id = ANY($2::text[])
UNION ALL
SELECT 'send', msgid, state FROM sends WHERE msgid = ANY($3::text[])
UNION ALL
SELECT 'send', msgid, state FROM sends WHERE msgid = ANY($5::text[])
UNION ALL
SELECT 'send', msgid, state FROM sends
WHERE reverses = ANY($5::text[]) AND reverses <> '' AND state IN ('sending', 'unknown')
UNION ALL
SELECT 'original', msgid, exchange_id FROM sends
WHERE msgid = ANY($5::text[]) AND exchange_id IS NOT NULL
UNION ALL
SELECT 'held', visit_key, msgid FROM sends
WHERE visit_key = ANY($4::text[]) AND money AND infno <> '2601' AND state IN ('sending', 'unknown')
UNION ALL
SELECT 'reversed', reverses, msgid FROM sends
WHERE reverses = ANY($5::text[]) AND reverses <> '' AND state IN ('sending', 'unknown')
UNION ALL
SELECT 'undone', reverses, msgid FROM sends
WHERE reverses = ANY($5::text[]) AND reverses <> '' AND state IN ('accepted', 'confirmed')
UNION ALL
SELECT 'visit', key, version::text FROM visits WHERE key = ANY($6::text[])
UNION ALL
SELECT 'serial', s.fixmedins_code || chr(10) || s.second, s.last::text
FROM unnest($7::text[], $8::text[]) AS w (fixmedins_code, second)
JOIN serials AS s ON s.fixmedins_code = w.fixmedins_code AND s.second = w.second
UNION ALL
SELECT 'book', b.kind || chr(10) || b.key, b.version::text
FROM unnest($9::text[], $10::text[]) AS w (kind, key)
JOIN books AS b ON b.kind = w.kind AND b.key = w.key
UNION ALL
SELECT 'session', key, expires FROM sessions WHERE key = ANY($11::text[]);

-- name: exchanges_by_key
-- What is known of messages that arrive; alive says that their owner still has its licence, the
-- answer is null before the first one. Arrays: protocol, sender, control id.
SELECT e.protocol, e.sender, e.control_id, e.exchange_id, e.stage, e.fingerprint, e.owner,
    m.context, a.answer,
    EXISTS (SELECT FROM instances AS i WHERE i.instance = e.owner) AS alive
FROM unnest($1::text[], $2::text[], $3::text[]) AS w (protocol, sender, control_id)
JOIN exchanges AS e
    ON e.protocol = w.protocol AND e.sender = w.sender AND e.control_id = w.control_id
JOIN exchange_messages AS m ON m.exchange_id = e.exchange_id
LEFT JOIN exchange_answers AS a ON a.exchange_id = e.exchange_id;

-- name: insert_exchanges
-- Stores messages that were never seen, with their bytes and what is needed to answer them later.
WITH given AS (
    SELECT * FROM unnest(
        $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
        $8::text[], $9::text[], $10::bytea[], $11::bytea[]
    ) WITH ORDINALITY AS g (
        exchange_id, protocol, sender, control_id, peer, kind, fingerprint, owner, received_at,
        raw, context, place
    )
), stored AS (
    INSERT INTO exchanges (
        exchange_id, protocol, sender, control_id, peer, kind, fingerprint, owner, stage, status,
        received_at, answered_at
    )
    SELECT exchange_id, protocol, sender, control_id, peer, kind, fingerprint, owner, 'open',
        'open', received_at, ''
    FROM given ORDER BY place
)
INSERT INTO exchange_messages (exchange_id, raw, context)
SELECT exchange_id, raw, context FROM given;

-- name: own_exchanges
-- Gives unanswered exchanges to an instance, or to nobody. Arrays: exchange id, owner.
UPDATE exchanges AS e SET owner = w.owner
FROM unnest($1::text[], $2::text[]) AS w (exchange_id, owner)
WHERE e.exchange_id = w.exchange_id;

-- name: answer_exchanges
-- Stores how exchanges were answered. Arrays: exchange id, stage, status, time, answer, result.
WITH given AS (
    SELECT * FROM unnest(
        $1::text[], $2::text[], $3::text[], $4::text[], $5::bytea[], $6::bytea[]
    ) AS g (exchange_id, stage, status, answered_at, answer, result)
), stored AS (
    UPDATE exchanges AS e
    SET stage = g.stage, status = g.status, answered_at = g.answered_at
    FROM given AS g WHERE e.exchange_id = g.exchange_id
)
INSERT INTO exchange_answers (exchange_id, answer, result)
SELECT exchange_id, answer, result FROM given
ON CONFLICT (exchange_id) DO UPDATE SET answer = excluded.answer, result = excluded.result;

-- name: update_sends
-- Stores what became of sends; a null keeps what is there. Arrays: msgid, state, note, infcode,
-- inf_refmsgid, time.
UPDATE sends AS s
SET state = w.state, note = w.note, infcode = coalesce(w.infcode, s.infcode),
    inf_refmsgid = coalesce(w.inf_refmsgid, s.inf_refmsgid), updated_at = w.updated_at
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
    AS w (msgid, state, note, infcode, inf_refmsgid, updated_at)
WHERE s.msgid = w.msgid;

-- name: insert_sends
-- Stores intents to send, before the first byte leaves; arrays of the columns in this order.
INSERT INTO sends (
    msgid, exchange_id, infno, visit_key, fixmedins_code, insuplc_admdvs, pooling_region, channel,
    digest, money, psn_no, reverses, owner, state, note, infcode, inf_refmsgid, created_at,
    updated_at
)
SELECT msgid, nullif(exchange_id, ''), infno, visit_key, fixmedins_code, insuplc_admdvs,
    pooling_region, channel, digest, money, psn_no, reverses, owner, state, note, infcode,
    inf_refmsgid, created_at, updated_at
FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
    $9::text[], $10::boolean[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[],
    $16::text[], $17::text[], $18::text[], $19::text[]
) WITH ORDINALITY AS w (
    msgid, exchange_id, infno, visit_key, fixmedins_code, insuplc_admdvs, pooling_region, channel,
    digest, money, psn_no, reverses, owner, state, note, infcode, inf_refmsgid, created_at,
    updated_at, place
)
ORDER BY place;

-- name: insert_replies
-- Keeps the platform's replies. Arrays: msgid, reply.
INSERT INTO send_replies (msgid, reply) SELECT * FROM unnest($1::text[], $2::bytea[]);

-- name: put_visits
-- Stores visits whose versions were compared. Arrays: key, state, version, data, time.
INSERT INTO visits (key, state, version, data, updated_at)
SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bytea[], $5::text[])
ON CONFLICT (key) DO UPDATE SET state = excluded.state, version = excluded.version,
    data = excluded.data, updated_at = excluded.updated_at;

-- name: put_books
-- Stores books whose versions were compared. Arrays: kind, key, state, version, data, time.
INSERT INTO books (kind, key, state, version, data, updated_at)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bytea[], $6::text[])
ON CONFLICT (kind, key) DO UPDATE SET state = excluded.state, version = excluded.version,
    data = excluded.data, updated_at = excluded.updated_at;

-- name: put_serials
-- Stores the last serials given. Arrays: institution, second, serial.
INSERT INTO serials (fixmedins_code, second, last)
SELECT * FROM unnest($1::text[], $2::text[], $3::integer[])
ON CONFLICT (fixmedins_code, second) DO UPDATE SET last = excluded.last;

-- name: drop_sessions
-- Removes sign-in numbers that expired before a time. Arrays: time (one).
DELETE FROM sessions WHERE expires <= ALL ($1::text[]);

-- name: put_sessions
-- Keeps sign-in numbers, over earlier ones. Arrays: key, value, end.
INSERT INTO sessions (key, value, expires)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[])
ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires = excluded.expires;

-- name: delete_resources
-- Removes the earlier states of resources; their tokens go with them. Arrays: type, id.
DELETE FROM resources AS r USING unnest($1::text[], $2::text[]) AS w (type, id)
WHERE r.type = w.type AND r.id = w.id;

-- name: insert_resources
-- Stores resources behind all others, in the order given. Arrays: type, id, exchange id, body,
-- search tokens as JSON.
INSERT INTO resources (type, id, exchange_id, body, search)
SELECT type, id, exchange_id, body, search
FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::bytea[])
    WITH ORDINALITY AS w (type, id, exchange_id, body, search, place)
ORDER BY place;

-- name: insert_tokens
-- Makes resources findable. Arrays: type, id, parameter, token.
INSERT INTO resource_tokens (type, name, token, changed)
SELECT w.type, w.name, w.token, r.changed
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS w (type, id, name, token)
JOIN resources AS r ON r.type = w.type AND r.id = w.id
ON CONFLICT DO NOTHING;

-- name: append_audit
-- Appends rows to the chain and records the last of them ($8 number, $9 hash). Arrays: the columns.
WITH head AS (
    UPDATE audit_head SET seq = $8, hash = $9 WHERE one = 1
)
INSERT INTO audit (seq, time, exchange_id, station, detail, previous, hash)
SELECT * FROM unnest(
    $1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[]
);
