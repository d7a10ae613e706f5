-- That somebody texted one of our numbers, and when; never what. The sender
-- stands here as its slot only.
CREATE TABLE IF NOT EXISTS inbound_texts
(
    number           UInt64,
    slot             UInt16,
    carrier          LowCardinality(String),
    at               DateTime64(3) CODEC(Delta(8), LZ4),
    source_partition UInt16,
    source_offset    Int64 CODEC(Delta(8), LZ4)
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(at)
ORDER BY (number, at)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1;
