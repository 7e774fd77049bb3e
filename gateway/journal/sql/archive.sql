-- A journal as a file: old exchanges only, those that are over and arrived before a date.

-- name: archive_exchanges
-- Rows of exchanges that belong to exchanges older than a date.
SELECT exchange_id, protocol, sender, control_id, peer, kind, fingerprint, stage, status,
    received_at, answered_at
FROM exchanges
WHERE exchange_id IN (
    SELECT exchange_id FROM finished_exchanges WHERE received_at < :before
)
ORDER BY seq;

-- name: archive_exchange_messages
-- Rows of exchange_messages that belong to exchanges older than a date.
SELECT exchange_id, raw, context
FROM exchange_messages
WHERE exchange_id IN (
    SELECT exchange_id FROM finished_exchanges WHERE received_at < :before
)
ORDER BY exchange_id;

-- name: archive_exchange_answers
-- Rows of exchange_answers that belong to exchanges older than a date.
SELECT exchange_id, answer, result
FROM exchange_answers
WHERE exchange_id IN (
    SELECT exchange_id FROM finished_exchanges WHERE received_at < :before
)
ORDER BY exchange_id;

-- name: archive_sends
-- Rows of sends that belong to exchanges older than a date.
SELECT msgid, exchange_id, infno, visit_key, fixmedins_code, insuplc_admdvs, pooling_region,
    channel, digest, money, psn_no, reverses, state, note, infcode, inf_refmsgid, created_at, updated_at
FROM sends
WHERE exchange_id IN (
    SELECT exchange_id FROM finished_exchanges WHERE received_at < :before
)
ORDER BY seq;

-- name: archive_send_replies
-- Rows of send_replies that belong to exchanges older than a date.
SELECT msgid, reply FROM send_replies
WHERE msgid IN (
    SELECT sent.msgid FROM sends AS sent
    WHERE sent.exchange_id IN (
        SELECT exchange_id FROM finished_exchanges WHERE received_at < :before
    )
)
ORDER BY msgid;

-- name: trim_message
-- Removes the bytes of the message of a final exchange.
UPDATE exchange_messages SET raw = x''
WHERE exchange_id = (
    SELECT exchange_id FROM exchanges WHERE exchange_id = :exchange_id AND stage = 'final'
);

-- name: trim_answer
-- Removes the result of a final exchange; the answer stays.
UPDATE exchange_answers SET result = NULL
WHERE exchange_id = (
    SELECT exchange_id FROM exchanges WHERE exchange_id = :exchange_id AND stage = 'final'
);

-- name: trim_replies
-- Removes the replies of the platform to its sends that have an end; the sends stay.
DELETE FROM send_replies WHERE msgid IN (
    SELECT s.msgid FROM sends AS s JOIN exchanges AS e ON e.exchange_id = s.exchange_id
    WHERE s.exchange_id = :exchange_id AND e.stage = 'final'
        AND s.state NOT IN ('sending', 'unknown')
);

-- name: count_rows
-- How many rows there are of anything that a journal stores.
SELECT (SELECT count(*) FROM exchanges) + (SELECT count(*) FROM sends)
    + (SELECT count(*) FROM visits) + (SELECT count(*) FROM books)
    + (SELECT count(*) FROM serials)
    + (SELECT count(*) FROM sessions) + (SELECT count(*) FROM audit);

-- name: import_exchanges
-- Stores a row of exchanges from a file.
INSERT INTO exchanges (
    exchange_id, protocol, sender, control_id, peer, kind, fingerprint, stage, status,
    received_at, answered_at, owner
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'moved');

-- name: import_exchange_messages
-- Stores a row of exchange_messages from a file.
INSERT INTO exchange_messages (
    exchange_id, raw, context
) VALUES (?, ?, ?);

-- name: import_exchange_answers
-- Stores a row of exchange_answers from a file.
INSERT INTO exchange_answers (
    exchange_id, answer, result
) VALUES (?, ?, ?);

-- name: import_sends
-- Stores a row of sends from a file.
INSERT INTO sends (
    msgid, exchange_id, infno, visit_key, fixmedins_code, insuplc_admdvs, pooling_region, channel,
    digest, money, psn_no, reverses, state, note, infcode, inf_refmsgid, created_at, updated_at
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: import_send_replies
-- Stores a row of send_replies from a file.
INSERT INTO send_replies (
    msgid, reply
) VALUES (?, ?);

-- name: import_visits
-- Stores a row of visits from a file.
INSERT INTO visits (
    key, state, version, data, updated_at
) VALUES (?, ?, ?, ?, ?);

-- name: import_books
-- Stores a row of books from a file.
INSERT INTO books (
    kind, key, state, version, data, updated_at
) VALUES (?, ?, ?, ?, ?, ?);

-- name: import_serials
-- Stores a row of serials from a file.
INSERT INTO serials (
    fixmedins_code, second, last
) VALUES (?, ?, ?);

-- name: import_sessions
-- Stores a row of sessions from a file.
INSERT INTO sessions (
    key, value, expires
) VALUES (?, ?, ?);
