-- Exchanges, sends, visits, resources, sign-in numbers, the audit, and who works on what.
-- Text is compared byte by byte (COLLATE "C"), whatever the database's own order is.

-- One row a process that has the journal open for writing. The row is its licence to write: another
-- process removes it once the lease has expired, and from then on what it owned is nobody's.
CREATE TABLE instances (
    instance text COLLATE "C" PRIMARY KEY,
    started_at text NOT NULL,
    expires_at timestamptz NOT NULL
);

-- One row a message. Its key never expires. Large values stand in tables of their own, so that
-- a change of status rewrites a small row.
CREATE TABLE exchanges (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    exchange_id text COLLATE "C" NOT NULL UNIQUE,
    protocol text COLLATE "C" NOT NULL,
    sender text COLLATE "C" NOT NULL,
    control_id text COLLATE "C" NOT NULL,
    peer text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    fingerprint text COLLATE "C" NOT NULL,
    owner text COLLATE "C" NOT NULL,
    stage text COLLATE "C" NOT NULL CHECK (stage IN ('open', 'provisional', 'final')),
    status text COLLATE "C" NOT NULL,
    received_at text COLLATE "C" NOT NULL,
    answered_at text COLLATE "C" NOT NULL,
    UNIQUE (protocol, sender, control_id)
);
CREATE INDEX exchanges_by_status ON exchanges (status, seq);

CREATE TABLE exchange_messages (
    exchange_id text COLLATE "C" PRIMARY KEY REFERENCES exchanges (exchange_id),
    raw bytea NOT NULL,
    context bytea NOT NULL
);

CREATE TABLE exchange_answers (
    exchange_id text COLLATE "C" PRIMARY KEY REFERENCES exchanges (exchange_id),
    answer bytea NOT NULL,
    result bytea
);

-- One row a transaction given to a platform. exchange_id is null for transactions of our own.
CREATE TABLE sends (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    msgid text COLLATE "C" NOT NULL UNIQUE,
    exchange_id text COLLATE "C" REFERENCES exchanges (exchange_id),
    infno text COLLATE "C" NOT NULL,
    visit_key text COLLATE "C" NOT NULL,
    fixmedins_code text COLLATE "C" NOT NULL,
    insuplc_admdvs text COLLATE "C" NOT NULL,
    pooling_region text COLLATE "C" NOT NULL,
    channel text COLLATE "C" NOT NULL,
    digest text COLLATE "C" NOT NULL,
    money boolean NOT NULL,
    psn_no text COLLATE "C" NOT NULL,
    reverses text COLLATE "C" NOT NULL,
    owner text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL CHECK (state IN (
        'sending', 'accepted', 'rejected', 'not-sent', 'unknown', 'reversed', 'confirmed', 'manual'
    )),
    note text COLLATE "C" NOT NULL,
    infcode text COLLATE "C" NOT NULL,
    inf_refmsgid text COLLATE "C" NOT NULL,
    created_at text COLLATE "C" NOT NULL,
    updated_at text COLLATE "C" NOT NULL,
    CHECK (NOT money OR infno = '2601' OR visit_key <> '')
);
CREATE INDEX sends_by_state ON sends (state, seq);
CREATE INDEX sends_by_visit ON sends (visit_key, seq);
CREATE INDEX sends_by_exchange ON sends (exchange_id, seq);

-- Nobody pays twice: one open money send a visit, one open reversal a send.
CREATE UNIQUE INDEX sends_one_money ON sends (visit_key)
WHERE money AND infno <> '2601' AND state IN ('sending', 'unknown');
CREATE UNIQUE INDEX sends_one_reversal ON sends (reverses)
WHERE reverses <> '' AND state IN ('sending', 'unknown');

CREATE TABLE send_replies (
    msgid text COLLATE "C" PRIMARY KEY REFERENCES sends (msgid),
    reply bytea NOT NULL
);

-- One row a visit; data belongs to the settlement room.
CREATE TABLE visits (
    key text COLLATE "C" PRIMARY KEY,
    state text COLLATE "C" NOT NULL,
    version bigint NOT NULL CHECK (version >= 1),
    data bytea NOT NULL,
    updated_at text COLLATE "C" NOT NULL
);
CREATE INDEX visits_by_state ON visits (state, key);

-- The last serial given for an institution and a second.
CREATE TABLE serials (
    fixmedins_code text COLLATE "C" NOT NULL,
    second text COLLATE "C" NOT NULL,
    last integer NOT NULL CONSTRAINT serials_of_a_second CHECK (last BETWEEN 0 AND 9999),
    PRIMARY KEY (fixmedins_code, second)
);

CREATE TABLE sessions (
    key text COLLATE "C" PRIMARY KEY,
    value text COLLATE "C" NOT NULL,
    expires text COLLATE "C" NOT NULL
);

-- Resources as last answered; changed orders them.
CREATE TABLE resources (
    changed bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    type text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    exchange_id text COLLATE "C" NOT NULL REFERENCES exchanges (exchange_id),
    body bytea NOT NULL,
    search bytea NOT NULL,
    UNIQUE (type, id)
);
CREATE INDEX resources_by_type ON resources (type, changed);

CREATE TABLE resource_tokens (
    type text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    token text COLLATE "C" NOT NULL,
    changed bigint NOT NULL REFERENCES resources (changed) ON DELETE CASCADE,
    PRIMARY KEY (type, name, token, changed)
);
CREATE INDEX resource_tokens_by_resource ON resource_tokens (changed);

-- The hash chain, and the record of its last row by which a cut tail is noticed.
CREATE TABLE audit (
    seq bigint PRIMARY KEY,
    time text COLLATE "C" NOT NULL,
    exchange_id text COLLATE "C" NOT NULL,
    station text COLLATE "C" NOT NULL,
    detail text COLLATE "C" NOT NULL,
    previous text COLLATE "C" NOT NULL,
    hash text COLLATE "C" NOT NULL
);
CREATE INDEX audit_by_exchange ON audit (exchange_id, seq);

CREATE TABLE audit_head (
    one integer PRIMARY KEY CHECK (one = 1),
    seq bigint NOT NULL,
    hash text COLLATE "C" NOT NULL
);
INSERT INTO audit_head (one, seq, hash)
VALUES (1, 0, '0000000000000000000000000000000000000000000000000000000000000000');
