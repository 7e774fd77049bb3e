-- Transactions given to a platform, and the serials of their message ids.

-- name: insert_send
-- Stores the intent to send, before the first byte leaves.
INSERT INTO sends (
    msgid, exchange_id, infno, visit_key, fixmedins_code, insuplc_admdvs, pooling_region, channel,
    digest, money, psn_no, reverses, state, note, infcode, inf_refmsgid, created_at, updated_at
) VALUES (
    :msgid, nullif(:exchange_id, ''), :infno, :visit_key, :fixmedins_code, :insuplc_admdvs,
    :pooling_region, :channel, :digest, :money, :psn_no, :reverses, 'sending', '', '', '', :now,
    :now
);

-- name: open_money_send
-- The money send that holds a visit.
SELECT msgid FROM sends
WHERE visit_key = :visit_key AND money = 1 AND infno <> '2601' AND state IN ('sending', 'unknown');

-- name: open_reversal
-- The reversal of a send that is on its way or of unknown outcome.
SELECT msgid FROM sends WHERE reverses = :reverses AND state IN ('sending', 'unknown');

-- name: standing_reversal
-- The reversal of a send that is on its way or done.
SELECT msgid FROM sends
WHERE reverses = :reverses AND reverses <> '' AND state IN ('sending', 'accepted', 'confirmed');

-- name: send_state
-- Where a send stands.
SELECT state FROM sends WHERE msgid = :msgid;

-- name: update_send
-- Stores what became of a send.
UPDATE sends
SET state = :state, note = :note, infcode = :infcode, inf_refmsgid = :inf_refmsgid,
    updated_at = :now
WHERE msgid = :msgid;

-- name: resolve_send
-- Ends an unknown outcome.
UPDATE sends SET state = :state, note = :note, updated_at = :now WHERE msgid = :msgid;

-- name: insert_reply
-- Keeps the platform's reply.
INSERT INTO send_replies (msgid, reply) VALUES (:msgid, :reply);

-- name: reply
-- The platform's reply to a send.
SELECT reply FROM send_replies WHERE msgid = :msgid;

-- name: send
-- One send.
SELECT * FROM sends WHERE msgid = :msgid;

-- name: sends
-- Sends, oldest first.
SELECT * FROM sends ORDER BY seq LIMIT :limit;

-- name: sends_in_state
-- Sends in one state, oldest first.
SELECT * FROM sends
WHERE state = :state ORDER BY seq LIMIT :limit;

-- name: sends_of_visit
-- Sends of a visit, of the state and exchange given where these are not empty, oldest first.
SELECT * FROM sends
WHERE visit_key = :visit_key AND (:state = '' OR state = :state)
    AND (:exchange_id = '' OR exchange_id = :exchange_id)
ORDER BY seq LIMIT :limit;

-- name: sends_of_exchange
-- Sends of an exchange, of the state given where that is not empty, oldest first.
SELECT * FROM sends
WHERE exchange_id = :exchange_id AND (:state = '' OR state = :state)
ORDER BY seq LIMIT :limit;

-- name: count_sends
-- Sends by state.
SELECT state, count(*) FROM sends GROUP BY state;

-- name: reserve_serials
-- Reserves the next :count serials of an institution and a second, from 0; gives the last of them.
INSERT INTO serials (fixmedins_code, second, last) VALUES (:fixmedins_code, :second, :count - 1)
ON CONFLICT (fixmedins_code, second) DO UPDATE SET last = last + :count
RETURNING last;
