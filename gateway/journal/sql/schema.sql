-- The state of the schema itself.

-- name: create_migrations
-- Where the migrations that were applied are written down.
CREATE TABLE IF NOT EXISTS migrations (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    checksum TEXT NOT NULL,
    applied_at TEXT NOT NULL
) STRICT;

-- name: count_tables
-- How many tables, indexes and views the file has.
SELECT count(*) FROM sqlite_master;

-- name: migrations
-- The migrations that were applied, in order.
SELECT number, name, checksum FROM migrations ORDER BY number;

-- name: insert_migration
-- Writes down a migration.
INSERT INTO migrations (number, name, checksum, applied_at)
VALUES (:number, :name, :checksum, :now);
