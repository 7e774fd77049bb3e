-- Exchanges that are over: the answer is final and no send of theirs has an outcome still to come.
CREATE VIEW finished_exchanges AS
SELECT e.exchange_id, e.received_at FROM exchanges AS e
WHERE e.stage = 'final' AND NOT EXISTS (
    SELECT 1 FROM sends AS s
    WHERE s.exchange_id = e.exchange_id AND s.state IN ('sending', 'unknown')
);
