-- A journal as a file: old exchanges only, those that are over and arrived before a date.

-- name: archive_exchanges
-- Rows of exchanges that belong to exchanges older than a date.
SELECT exchange_id, protocol, sender, control_id, peer, kind, fingerprint, stage, status,
    received_at, answered_at
FROM exchanges
WHERE exchange_id IN (
    SELECT exchange_id FROM finished_exchanges WHERE received_at < $1::text
)
ORDER BY seq;

-- name: archive_exchange_messages
-- Rows of exchange_messages that belong to exchanges older than a date.
SELECT exchange_id, raw, context
FROM exchange_messages
WHERE exchange_id IN (
    SELECT exchange_id FROM finished_exchanges WHERE received_at < $1::text
)
ORDER BY exchange_id;

-- name: archive_exchange_answers
-- Rows of exchange_answers that belong to exchanges older than a date.
SELECT exchange_id, answer, result
FROM exchange_answers
WHERE exchange_id IN (
    SELECT exchange_id FROM finished_exchanges WHERE received_at < $1::text
)
ORDER BY exchange_id;

-- name: archive_sends
-- Rows of sends that belong to exchanges older than a date.
SELECT msgid, exchange_id, infno, visit_key, fixmedins_code, insuplc_admdvs, pooling_region,
    channel, digest, money, psn_no, reverses, state, note, infcode, inf_refmsgid, created_at, updated_at
FROM sends
WHERE exchange_id IN (
    SELECT exchange_id FROM finished_exchanges WHERE received_at < $1::text
)
ORDER BY seq;

-- name: archive_send_replies
-- Rows of send_replies that belong to exchanges older than a date.
SELECT msgid, reply FROM send_replies
WHERE msgid IN (
    SELECT sent.msgid FROM sends AS sent
    WHERE sent.exchange_id IN (
        SELECT exchange_id FROM finished_exchanges WHERE received_at < $1::text
    )
)
ORDER BY msgid;

-- name: trim_messages
-- Removes the bytes of messages of final exchanges; the array has their ids.
UPDATE exchange_messages AS m SET raw = ''
FROM exchanges AS e
WHERE m.exchange_id = ANY($1::text[]) AND e.exchange_id = m.exchange_id AND e.stage = 'final';

-- name: trim_answers
-- Removes the results of final exchanges; the answers stay.
UPDATE exchange_answers AS a SET result = NULL
FROM exchanges AS e
WHERE a.exchange_id = ANY($1::text[]) AND e.exchange_id = a.exchange_id AND e.stage = 'final';

-- name: trim_replies
-- Removes the replies of the platform to their sends that have an end; the sends stay.
DELETE FROM send_replies AS r USING sends AS s, exchanges AS e
WHERE s.exchange_id = ANY($1::text[]) AND r.msgid = s.msgid
    AND s.state NOT IN ('sending', 'unknown')
    AND e.exchange_id = s.exchange_id AND e.stage = 'final';

-- name: count_rows
-- How many rows there are of anything that a journal stores.
SELECT (SELECT count(*) FROM exchanges) + (SELECT count(*) FROM sends)
    + (SELECT count(*) FROM visits) + (SELECT count(*) FROM books)
    + (SELECT count(*) FROM serials)
    + (SELECT count(*) FROM sessions) + (SELECT count(*) FROM audit);

-- name: set_head
-- Records the last row of an audit that was imported: number, hash.
UPDATE audit_head SET seq = $1, hash = $2 WHERE one = 1;
