-- Messages and their answers.

-- name: exchange_by_key
-- What is known of a message that arrives; the answer is null before the first one.
SELECT e.exchange_id, e.fingerprint, e.owner, m.context, a.answer
FROM exchanges AS e
JOIN exchange_messages AS m ON m.exchange_id = e.exchange_id
LEFT JOIN exchange_answers AS a ON a.exchange_id = e.exchange_id
WHERE e.protocol = :protocol AND e.sender = :sender AND e.control_id = :control_id;

-- name: insert_exchange
-- Stores a message that was never seen.
INSERT INTO exchanges (
    exchange_id, protocol, sender, control_id, peer, kind, fingerprint, owner, stage, status,
    received_at, answered_at
) VALUES (
    :exchange_id, :protocol, :sender, :control_id, :peer, :kind, :fingerprint, :owner, 'open',
    'open', :received_at, ''
);

-- name: insert_message
-- Stores its bytes and what is needed to write the answer later.
INSERT INTO exchange_messages (exchange_id, raw, context) VALUES (:exchange_id, :raw, :context);

-- name: own_exchange
-- Gives an unanswered exchange to a process; to nobody when :owner is empty.
UPDATE exchanges SET owner = :owner WHERE exchange_id = :exchange_id;

-- name: exchange_stage
-- How far the answer of an exchange is.
SELECT stage FROM exchanges WHERE exchange_id = :exchange_id;

-- name: update_exchange
-- Stores how an exchange was answered.
UPDATE exchanges SET stage = :stage, status = :status, answered_at = :now
WHERE exchange_id = :exchange_id;

-- name: put_answer
-- Stores the answer and result of an exchange, over an earlier one.
INSERT INTO exchange_answers (exchange_id, answer, result)
VALUES (:exchange_id, :answer, :result)
ON CONFLICT (exchange_id) DO UPDATE SET answer = excluded.answer, result = excluded.result;

-- name: exchange
-- One exchange.
SELECT exchange_id, protocol, peer, sender, control_id, kind, fingerprint, status,
    stage = 'final' AS final, received_at, answered_at, owner <> '' AS held
FROM exchanges WHERE exchange_id = :exchange_id;

-- name: exchanges
-- Exchanges, newest first, older than the exchange :before where that is not empty.
SELECT exchange_id, protocol, peer, sender, control_id, kind, fingerprint, status,
    stage = 'final' AS final, received_at, answered_at
FROM exchanges
WHERE :before = '' OR seq < (SELECT seq FROM exchanges WHERE exchange_id = :before)
ORDER BY seq DESC LIMIT :limit;

-- name: exchanges_of_status
-- The same, of one status.
SELECT exchange_id, protocol, peer, sender, control_id, kind, fingerprint, status,
    stage = 'final' AS final, received_at, answered_at
FROM exchanges
WHERE status = :status
    AND (:before = '' OR seq < (SELECT seq FROM exchanges WHERE exchange_id = :before))
ORDER BY seq DESC LIMIT :limit;

-- name: abandoned_exchanges
-- Unanswered exchanges that belong to another process than :owner, oldest first.
SELECT exchange_id, protocol, peer, sender, control_id, kind, fingerprint, status,
    stage = 'final' AS final, received_at, answered_at
FROM exchanges
WHERE status = 'open' AND owner NOT IN ('', :owner)
ORDER BY seq LIMIT :limit;

-- name: message
-- The bytes and the context of a message.
SELECT raw, context FROM exchange_messages WHERE exchange_id = :exchange_id;

-- name: answer
-- The answer and the result of an exchange.
SELECT answer, result FROM exchange_answers WHERE exchange_id = :exchange_id;

-- name: count_exchanges
-- Exchanges by status.
SELECT status, count(*) FROM exchanges GROUP BY status;
