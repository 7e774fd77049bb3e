-- Exchanges, sends, visits, resources, sign-in numbers and the audit.

-- One row a message. Its key never expires. Large values stand in tables of their own, so that
-- a change of status rewrites a small row.
CREATE TABLE exchanges (
    seq INTEGER PRIMARY KEY,
    exchange_id TEXT NOT NULL UNIQUE,
    protocol TEXT NOT NULL,
    sender TEXT NOT NULL,
    control_id TEXT NOT NULL,
    peer TEXT NOT NULL,
    kind TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    owner TEXT NOT NULL,
    stage TEXT NOT NULL CHECK (stage IN ('open', 'provisional', 'final')),
    status TEXT NOT NULL,
    received_at TEXT NOT NULL,
    answered_at TEXT NOT NULL,
    UNIQUE (protocol, sender, control_id)
) STRICT;
CREATE INDEX exchanges_by_status ON exchanges (status, seq);

CREATE TABLE exchange_messages (
    exchange_id TEXT PRIMARY KEY REFERENCES exchanges (exchange_id),
    raw BLOB NOT NULL,
    context BLOB NOT NULL
) STRICT;

CREATE TABLE exchange_answers (
    exchange_id TEXT PRIMARY KEY REFERENCES exchanges (exchange_id),
    answer BLOB NOT NULL,
    result BLOB
) STRICT;

-- One row a transaction given to a platform. exchange_id is null for transactions of our own.
CREATE TABLE sends (
    seq INTEGER PRIMARY KEY,
    msgid TEXT NOT NULL UNIQUE,
    exchange_id TEXT REFERENCES exchanges (exchange_id),
    infno TEXT NOT NULL,
    visit_key TEXT NOT NULL,
    fixmedins_code TEXT NOT NULL,
    insuplc_admdvs TEXT NOT NULL,
    pooling_region TEXT NOT NULL,
    channel TEXT NOT NULL,
    digest TEXT NOT NULL,
    money INTEGER NOT NULL CHECK (money IN (0, 1)),
    psn_no TEXT NOT NULL,
    reverses TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN (
        'sending', 'accepted', 'rejected', 'not-sent', 'unknown', 'reversed', 'confirmed', 'manual'
    )),
    note TEXT NOT NULL,
    infcode TEXT NOT NULL,
    inf_refmsgid TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    CHECK (money = 0 OR infno = '2601' OR visit_key <> '')
) STRICT;
CREATE INDEX sends_by_state ON sends (state, seq);
CREATE INDEX sends_by_visit ON sends (visit_key, seq);
CREATE INDEX sends_by_exchange ON sends (exchange_id, seq);

-- Nobody pays twice: one open money send a visit, one open reversal a send.
CREATE UNIQUE INDEX sends_one_money ON sends (visit_key)
WHERE money = 1 AND infno <> '2601' AND state IN ('sending', 'unknown');
CREATE UNIQUE INDEX sends_one_reversal ON sends (reverses)
WHERE reverses <> '' AND state IN ('sending', 'unknown');

CREATE TABLE send_replies (
    msgid TEXT PRIMARY KEY REFERENCES sends (msgid),
    reply BLOB NOT NULL
) STRICT;

-- One row a visit; data belongs to the settlement room.
CREATE TABLE visits (
    key TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    version INTEGER NOT NULL CHECK (version >= 1),
    data BLOB NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;
CREATE INDEX visits_by_state ON visits (state, key);

-- The last serial given for an institution and a second.
CREATE TABLE serials (
    fixmedins_code TEXT NOT NULL,
    second TEXT NOT NULL,
    last INTEGER NOT NULL CONSTRAINT serials_of_a_second CHECK (last BETWEEN 0 AND 9999),
    PRIMARY KEY (fixmedins_code, second)
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL,
    expires TEXT NOT NULL
) STRICT;

-- Resources as last answered; changed orders them.
CREATE TABLE resources (
    changed INTEGER PRIMARY KEY,
    type TEXT NOT NULL,
    id TEXT NOT NULL,
    exchange_id TEXT NOT NULL REFERENCES exchanges (exchange_id),
    body BLOB NOT NULL,
    search BLOB NOT NULL,
    UNIQUE (type, id)
) STRICT;
CREATE INDEX resources_by_type ON resources (type, changed);

CREATE TABLE resource_tokens (
    type TEXT NOT NULL,
    name TEXT NOT NULL,
    token TEXT NOT NULL,
    changed INTEGER NOT NULL REFERENCES resources (changed) ON DELETE CASCADE,
    PRIMARY KEY (type, name, token, changed)
) STRICT, WITHOUT ROWID;
CREATE INDEX resource_tokens_by_resource ON resource_tokens (changed);

-- The hash chain, and the record of its last row by which a cut tail is noticed.
CREATE TABLE audit (
    seq INTEGER PRIMARY KEY,
    time TEXT NOT NULL,
    exchange_id TEXT NOT NULL,
    station TEXT NOT NULL,
    detail TEXT NOT NULL,
    previous TEXT NOT NULL,
    hash TEXT NOT NULL
) STRICT;
CREATE INDEX audit_by_exchange ON audit (exchange_id, seq);

CREATE TABLE audit_head (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    seq INTEGER NOT NULL,
    hash TEXT NOT NULL
) STRICT;
INSERT INTO audit_head (one, seq, hash)
VALUES (1, 0, '0000000000000000000000000000000000000000000000000000000000000000');
