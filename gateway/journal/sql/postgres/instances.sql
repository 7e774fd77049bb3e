-- Who has the journal open for writing, and until when others wait for it.

-- name: register
-- Takes a licence to write: instance, time, seconds it lasts.
INSERT INTO instances (instance, started_at, expires_at, lasts)
VALUES ($1, $2, clock_timestamp() + make_interval(secs => $3), $3);

-- name: renew
-- Prolongs the licence of an instance by seconds from now.
UPDATE instances SET expires_at = clock_timestamp() + make_interval(secs => $2)
WHERE instance = $1;

-- name: retire
-- Gives the licence of an instance back.
DELETE FROM instances WHERE instance = $1;

-- name: shorten
-- Lets no lease last longer from now than when it is prolonged, except one instance: the clock of
-- the server may have been set back.
UPDATE instances SET expires_at = clock_timestamp() + make_interval(secs => lasts)
WHERE expires_at > clock_timestamp() + make_interval(secs => lasts) AND instance <> $1;

-- name: reap
-- Takes the licence from the instances that did not prolong it, except one instance.
DELETE FROM instances WHERE expires_at < clock_timestamp() AND instance <> $1
RETURNING instance;

-- name: abandoned_sends
-- Sends on their way whose instance has no licence; with $2 also those of instance $1.
SELECT s.* FROM sends AS s
WHERE s.state = 'sending'
    AND (
        ($2 AND s.owner = $1)
        OR NOT EXISTS (SELECT FROM instances AS i WHERE i.instance = s.owner)
    )
ORDER BY s.seq;

-- name: commit_status
-- Whether a transaction took effect, after its connection broke.
SELECT pg_xact_status($1::text::xid8);
