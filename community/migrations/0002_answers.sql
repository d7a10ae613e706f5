-- When a number last sent a member an automatic text of a kind, so that two
-- machines that answer each other come to rest and nobody gets a link a minute.
CREATE TABLE answers (
	number INTEGER NOT NULL,
	member INTEGER NOT NULL,
	kind   TEXT NOT NULL,
	at     BIGINT NOT NULL,
	PRIMARY KEY (number, member, kind)
) {{without_rowid}};
