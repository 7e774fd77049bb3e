-- Books, and money transactions by their time.

-- name: insert_book
-- Stores a book for the first time; no row is changed when it is there already.
INSERT INTO books (kind, key, state, version, data, updated_at)
VALUES (:kind, :key, :state, 1, :data, :now)
ON CONFLICT (kind, key) DO NOTHING;

-- name: update_book
-- Stores a book over the version that was read; no row is changed when that is not the last.
UPDATE books SET state = :state, version = version + 1, data = :data, updated_at = :now
WHERE kind = :kind AND key = :key AND version = :version;

-- name: book
-- One book.
SELECT kind, key, state, version, data FROM books WHERE kind = :kind AND key = :key;

-- name: books
-- Books of a kind in the order of their keys, those that begin with a prefix.
SELECT kind, key, state, version, data FROM books
WHERE kind = :kind AND key > :after AND key >= :prefix AND key < :prefix || char(1114111)
ORDER BY key LIMIT :limit;

-- name: sends_of_money
-- Money transactions of a span of time, of one number where that is not empty, oldest first.
SELECT * FROM sends
WHERE money = 1 AND created_at >= :begin AND created_at < :end
    AND (:infno = '' OR infno = :infno)
ORDER BY created_at, seq;
