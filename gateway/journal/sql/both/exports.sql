-- A whole journal as a file: every table in the order of the file, in the words of either store.

-- name: export_exchanges
-- Every row of exchanges.
SELECT exchange_id, protocol, sender, control_id, peer, kind, fingerprint, stage, status,
    received_at, answered_at
FROM exchanges ORDER BY seq;

-- name: export_exchange_messages
-- Every row of exchange_messages.
SELECT exchange_id, raw, context
FROM exchange_messages ORDER BY exchange_id;

-- name: export_exchange_answers
-- Every row of exchange_answers.
SELECT exchange_id, answer, result
FROM exchange_answers ORDER BY exchange_id;

-- name: export_sends
-- Every row of sends.
SELECT msgid, exchange_id, infno, visit_key, fixmedins_code, insuplc_admdvs, pooling_region,
    channel, digest, money, psn_no, reverses, state, note, infcode, inf_refmsgid, created_at, updated_at
FROM sends ORDER BY seq;

-- name: export_send_replies
-- Every row of send_replies.
SELECT msgid, reply
FROM send_replies ORDER BY msgid;

-- name: export_visits
-- Every row of visits.
SELECT key, state, version, data, updated_at
FROM visits ORDER BY key;

-- name: export_books
-- Every row of books.
SELECT kind, key, state, version, data, updated_at
FROM books ORDER BY kind, key;

-- name: export_serials
-- Every row of serials.
SELECT fixmedins_code, second, last
FROM serials ORDER BY fixmedins_code, second;

-- name: export_sessions
-- Every row of sessions.
SELECT key, value, expires
FROM sessions ORDER BY key;

-- name: export_resources
-- Every row of resources.
SELECT type, id, exchange_id, body, search
FROM resources ORDER BY changed;

-- name: export_audit_head
-- Every row of audit_head.
SELECT seq, hash
FROM audit_head ORDER BY one;

-- name: export_audit
-- Every row of audit.
SELECT seq, time, exchange_id, station, detail, previous, hash
FROM audit ORDER BY seq;
