-- What is known of the way to a member: names of carriers and home networks.
CREATE TABLE hints (
	id   {{id}},
	name TEXT NOT NULL UNIQUE
);

-- 0: nothing is known.
ALTER TABLE members ADD COLUMN carrier INTEGER NOT NULL DEFAULT 0; -- as an import had it
ALTER TABLE members ADD COLUMN ported INTEGER NOT NULL DEFAULT 0; -- as a lookup had it
ALTER TABLE members ADD COLUMN ported_until BIGINT NOT NULL DEFAULT 0; -- when that lookup is too old; 0: none was made
ALTER TABLE consent ADD COLUMN seen INTEGER NOT NULL DEFAULT 0; -- the carrier by which the member last wrote to the number
ALTER TABLE consent ADD COLUMN seen_at BIGINT NOT NULL DEFAULT 0;

-- By how many further carriers a message that was not delivered may go, and
-- after which states (pipeline/record, RetryOn).
ALTER TABLE numbers ADD COLUMN retry_routes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE numbers ADD COLUMN retry_on INTEGER NOT NULL DEFAULT 0;
ALTER TABLE broadcasts ADD COLUMN retry_routes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE broadcasts ADD COLUMN retry_on INTEGER NOT NULL DEFAULT 0;
