-- Books: what longer work of the gateway keeps between its steps (a day's reconciliation, a month's
-- clearing, a settlement list), and money transactions by their time.

CREATE TABLE books (
    kind text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL,
    version bigint NOT NULL CHECK (version >= 1),
    data bytea NOT NULL,
    updated_at text COLLATE "C" NOT NULL,
    PRIMARY KEY (kind, key)
);

CREATE INDEX sends_money_by_time ON sends (created_at) WHERE money;
