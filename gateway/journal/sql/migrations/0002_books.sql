-- Books: what longer work of the gateway keeps between its steps (a day's reconciliation, a month's
-- clearing, a settlement list), and money transactions by their time.

CREATE TABLE books (
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    state TEXT NOT NULL,
    version INTEGER NOT NULL CHECK (version >= 1),
    data BLOB NOT NULL,
    updated_at TEXT NOT NULL,
    PRIMARY KEY (kind, key)
) STRICT;

CREATE INDEX sends_money_by_time ON sends (created_at) WHERE money = 1;
