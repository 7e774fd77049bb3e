-- The state of the schema and of the server.

-- name: server
-- What a journal needs to know of the server before it trusts it.
SELECT
    current_setting('server_version_num')::integer AS version,
    current_setting('server_encoding') AS encoding,
    current_setting('fsync') AS fsync,
    current_setting('full_page_writes') AS full_page_writes,
    pg_is_in_recovery() AS standby,
    to_regclass('migrations') IS NOT NULL AS migrated,
    (
        SELECT count(*) FROM pg_class
        WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'v', 'm')
    ) AS tables;

-- name: lock_migrations
-- Lets one process at a time change the schema.
SELECT pg_advisory_xact_lock(x'46534947'::bigint << 32);

-- name: create_migrations
-- Where the migrations that were applied are written down.
CREATE TABLE IF NOT EXISTS migrations (
    number integer PRIMARY KEY,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at text NOT NULL
);

-- name: migrations
-- The migrations that were applied, in order.
SELECT number, name, checksum FROM migrations ORDER BY number;

-- name: insert_migration
-- Writes down a migration: number, name, checksum, time.
INSERT INTO migrations (number, name, checksum, applied_at) VALUES ($1, $2, $3, $4);
