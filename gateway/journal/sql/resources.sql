-- Resources as last answered, found by their tokens.

-- name: delete_resource
-- Removes the earlier state of a resource; its tokens go with it.
DELETE FROM resources WHERE type = :type AND id = :id;

-- name: insert_resource
-- Stores a resource behind all others.
INSERT INTO resources (changed, type, id, exchange_id, body, search)
VALUES (
    (SELECT coalesce(max(changed), 0) + 1 FROM resources), :type, :id, :exchange_id, :body, :search
)
RETURNING changed;

-- name: insert_token
-- Makes a resource findable by one token of one search parameter.
INSERT INTO resource_tokens (type, name, token, changed) VALUES (:type, :name, :token, :changed)
ON CONFLICT DO NOTHING;

-- name: resource
-- One resource.
SELECT type, id, body, search FROM resources WHERE type = :type AND id = :id;

-- name: resources
-- Resources of a type, last changed first.
SELECT type, id, body, search FROM resources
WHERE type = :type ORDER BY changed DESC LIMIT :limit OFFSET :offset;

-- name: changed_resources
-- Resources of a type behind a place in the order of changes, each with its own, first changed first.
SELECT changed, type, id, body, search FROM resources
WHERE type = :type AND changed > :after ORDER BY changed LIMIT :limit;

-- name: count_resources_of_type
-- How many resources of a type there are.
SELECT count(*) FROM resources WHERE type = :type;

-- name: find_resources
-- Resources that have, for each of the :names parameters in :wanted (a JSON array of pairs of
-- parameter and token), one of its tokens; last changed first.
SELECT r.type, r.id, r.body, r.search FROM resources AS r
WHERE r.changed IN (
    SELECT t.changed FROM json_each(:wanted) AS w
    CROSS JOIN resource_tokens AS t
    WHERE t.type = :type AND t.name = w.value ->> 0 AND t.token = w.value ->> 1
    GROUP BY t.changed HAVING count(DISTINCT t.name) = :names
)
ORDER BY r.changed DESC LIMIT :limit OFFSET :offset;

-- name: count_found_resources
-- How many resources find_resources would give without limit.
SELECT count(*) FROM (
    SELECT t.changed FROM json_each(:wanted) AS w
    CROSS JOIN resource_tokens AS t
    WHERE t.type = :type AND t.name = w.value ->> 0 AND t.token = w.value ->> 1
    GROUP BY t.changed HAVING count(DISTINCT t.name) = :names
);

-- name: count_resources
-- How many resources there are.
SELECT count(*) FROM resources;
