-- Profiles as analytics counts them, without name, e-mail or phone. Read it
-- with FINAL: a later profile of a member replaces an earlier one, and one
-- that was deleted is left out.
CREATE TABLE IF NOT EXISTS members
(
    member   UInt32,
    city     UInt32,
    birth    Int32 COMMENT 'days since 1970-01-01; 0: unknown',
    gender   Enum8('' = 0, 'f' = 102, 'm' = 109, 'x' = 120),
    language FixedString(2),
    joined   DateTime64(3),
    at       DateTime64(3),
    deleted  UInt8
)
ENGINE = ReplacingMergeTree(at, deleted)
ORDER BY member
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1;

-- Names of the cities that events and members refer to.
CREATE TABLE IF NOT EXISTS cities
(
    city   UInt32,
    name   String,
    region LowCardinality(String) COMMENT 'state or province',
    at     DateTime64(3)
)
ENGINE = ReplacingMergeTree(at)
ORDER BY city
SETTINGS fsync_after_insert = 1;
