-- Words in {{…}} are the few places where SQLite and PostgreSQL differ
-- (dialect.go). Times are Unix milliseconds, 0 where there is none yet; phones
-- are the digits of E.164 as a number.

CREATE TABLE settings (
	name  TEXT PRIMARY KEY,
	value TEXT NOT NULL
);

-- Ids come from here and not from the database's own counters: one that was
-- given out never comes back, since a message's key is made of them, and none
-- is lost to a row that existed already, since they have 32 bits.
CREATE TABLE sequences (
	name TEXT PRIMARY KEY,
	next BIGINT NOT NULL
);
INSERT INTO sequences (name, next) VALUES ('members', 1), ('broadcasts', 1), ('cities', 1), ('evidence', 1);

CREATE TABLE leaders (
	id   {{id}},
	name TEXT NOT NULL UNIQUE
);

CREATE TABLE numbers (
	id               {{id}},
	number           BIGINT NOT NULL UNIQUE,
	kind             TEXT NOT NULL,
	leader           INTEGER NOT NULL REFERENCES leaders (id),
	carriers         TEXT NOT NULL, -- names joined by commas, in order of preference
	limit_per_second INTEGER NOT NULL,
	active           INTEGER NOT NULL -- 0: no longer configured
);

CREATE TABLE cities (
	id      INTEGER PRIMARY KEY,
	name    TEXT NOT NULL,
	state   TEXT NOT NULL,
	country TEXT NOT NULL,
	folded  TEXT NOT NULL, -- name in lower case, by which it is looked up
	UNIQUE (folded, state, country)
);

CREATE TABLE members (
	id         INTEGER PRIMARY KEY,
	phone      BIGINT NOT NULL UNIQUE,
	slot       INTEGER NOT NULL,
	first_name TEXT NOT NULL,
	last_name  TEXT NOT NULL,
	city       INTEGER NOT NULL, -- 0: unknown
	birth      INTEGER NOT NULL, -- days, 1 is 0001-01-01; 0: unknown
	gender     TEXT NOT NULL,
	email      TEXT NOT NULL,
	language   TEXT NOT NULL,
	created    BIGINT NOT NULL
);

-- What people agreed to or took back, as it happened; rows are only added. The
-- rows of one import share one piece of evidence.
CREATE TABLE evidence (
	id           INTEGER PRIMARY KEY,
	kind         TEXT NOT NULL, -- invited, joined, stopped
	number       INTEGER NOT NULL,
	member       INTEGER NOT NULL, -- 0: all members of one import
	method       TEXT NOT NULL,
	disclosure   TEXT NOT NULL,
	text_version TEXT NOT NULL,
	page_url     TEXT NOT NULL,
	ip           TEXT NOT NULL,
	user_agent   TEXT NOT NULL,
	message_id   TEXT NOT NULL,
	words        TEXT NOT NULL, -- as the person wrote them
	source       TEXT NOT NULL, -- file of an import
	at           BIGINT NOT NULL
);
CREATE INDEX evidence_member ON evidence (member);

CREATE TABLE consent (
	number          INTEGER NOT NULL,
	member          INTEGER NOT NULL,
	state           TEXT NOT NULL, -- invited, joined, stopped
	since           BIGINT NOT NULL,
	evidence        INTEGER NOT NULL, -- of the present state
	joined          BIGINT NOT NULL, -- last; 0: never
	joined_evidence INTEGER NOT NULL,
	PRIMARY KEY (number, member)
) {{without_rowid}};

CREATE TABLE groups (
	id     {{id}},
	leader INTEGER NOT NULL REFERENCES leaders (id),
	name   TEXT NOT NULL,
	folded TEXT NOT NULL,
	UNIQUE (leader, folded)
);

CREATE TABLE group_members (
	grp    INTEGER NOT NULL,
	member INTEGER NOT NULL,
	PRIMARY KEY (grp, member)
) {{without_rowid}};

CREATE TABLE broadcasts (
	id               INTEGER PRIMARY KEY,
	number           INTEGER NOT NULL REFERENCES numbers (id),
	text             TEXT NOT NULL,
	audience         TEXT NOT NULL,
	state            TEXT NOT NULL,
	epoch            INTEGER NOT NULL,
	policy           TEXT NOT NULL,
	validity_seconds INTEGER NOT NULL,
	total            BIGINT NOT NULL,
	created          BIGINT NOT NULL,
	started          BIGINT NOT NULL,
	ended            BIGINT NOT NULL
);
CREATE INDEX broadcasts_state ON broadcasts (state);

-- The audience as it was fixed at the start: a roaring bitmap of member ids.
CREATE TABLE broadcast_audience (
	broadcast INTEGER NOT NULL,
	partition INTEGER NOT NULL,
	total     BIGINT NOT NULL,
	members   {{blob}} NOT NULL,
	PRIMARY KEY (broadcast, partition)
);

CREATE TABLE threads (
	number    INTEGER NOT NULL,
	member    INTEGER NOT NULL,
	last_text BIGINT NOT NULL, -- id in texts
	last_at   BIGINT NOT NULL,
	unread    INTEGER NOT NULL,
	PRIMARY KEY (number, member)
);
CREATE INDEX threads_last ON threads (number, last_at);

CREATE TABLE texts (
	id         {{bigid}},
	number     INTEGER NOT NULL,
	member     INTEGER NOT NULL,
	direction  TEXT NOT NULL, -- in, out
	text       TEXT NOT NULL,
	at         BIGINT NOT NULL,
	message_id TEXT NOT NULL
);
CREATE INDEX texts_thread ON texts (number, member, id);

CREATE TABLE outbox (
	id        {{bigid}},
	topic     TEXT NOT NULL,
	partition INTEGER NOT NULL,
	key       {{blob}} NOT NULL,
	value     {{blob}} NOT NULL
);

CREATE TABLE consumed (
	topic       TEXT NOT NULL,
	partition   INTEGER NOT NULL,
	next_offset BIGINT NOT NULL,
	PRIMARY KEY (topic, partition)
);
