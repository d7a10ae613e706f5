-- Parts of long inbound texts: those that wait for the others, and, for a while,
-- those whose text has been shown, so that what comes late or twice is known.
CREATE TABLE inbound_parts (
	number     INTEGER NOT NULL,
	phone      BIGINT NOT NULL,
	carrier    TEXT NOT NULL,
	reference  INTEGER NOT NULL,
	parts      INTEGER NOT NULL,
	part       INTEGER NOT NULL,
	state      TEXT NOT NULL, -- waiting, shown (without all parts), joined
	at         BIGINT NOT NULL, -- when the carrier delivered it
	kept       BIGINT NOT NULL, -- when it was kept here, by this store's clock
	partition  INTEGER NOT NULL, -- of topic inbound
	log_offset BIGINT NOT NULL,
	pdu        {{blob}} NOT NULL,
	PRIMARY KEY (number, phone, carrier, reference, parts, part)
) {{without_rowid}};
CREATE INDEX inbound_parts_state ON inbound_parts (state, kept);
