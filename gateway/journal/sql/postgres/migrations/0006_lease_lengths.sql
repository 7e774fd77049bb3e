-- For how many seconds a licence is prolonged each time: a lease that ends later than that from now
-- was written before the clock of the server was set back.
ALTER TABLE instances ADD COLUMN lasts double precision NOT NULL DEFAULT 15;
