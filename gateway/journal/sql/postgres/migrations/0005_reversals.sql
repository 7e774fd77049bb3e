-- The reversals of a send, whatever became of them: looked for whenever an outcome is ended.
CREATE INDEX sends_by_reversed ON sends (reverses) WHERE reverses <> '';
