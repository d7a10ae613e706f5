-- Two rows a message: when it was first decided (mostly: submitted) and when
-- it moved on (mostly: its receipts). A row says that the message moved from
-- from_state to state; the ledger is their sum. Rows of one member lie in one
-- source_partition, in order of (source_offset, source_index).
CREATE TABLE IF NOT EXISTS message_events
(
    event            Enum8('outcome' = 1, 'final' = 2),
    broadcast        UInt32 COMMENT '0: one-to-one, named by id',
    member           UInt32 CODEC(Delta(4), LZ4),
    id               FixedString(16),
    number           UInt64 COMMENT 'the sender of ours',
    carrier          LowCardinality(String),
    class            Enum8('stop_help' = 0, 'joining' = 1, 'one_to_one' = 2, 'broadcast' = 3),
    from_state       Enum8('open' = 0, 'suppressed' = 1, 'rejected' = 2, 'expired_unsent' = 3, 'cancelled' = 4, 'uncertain' = 5,
                           'submitted' = 6, 'delivered' = 7, 'failed' = 8, 'expired' = 9, 'no_receipt' = 10),
    state            Enum8('open' = 0, 'suppressed' = 1, 'rejected' = 2, 'expired_unsent' = 3, 'cancelled' = 4, 'uncertain' = 5,
                           'submitted' = 6, 'delivered' = 7, 'failed' = 8, 'expired' = 9, 'no_receipt' = 10),
    reason           Enum8('' = 0, 'stop' = 1, 'left' = 2, 'age' = 3, 'refused' = 4, 'text' = 5, 'route' = 6, 'other' = 127),
    status           UInt32 COMMENT 'SMPP command_status',
    err              LowCardinality(String) COMMENT 'err of the receipt',
    parts            UInt8 COMMENT '0: never encoded',
    city             UInt32 COMMENT 'of cities; 0: unknown',
    age              UInt8 COMMENT 'as of sending; 0: unknown',
    gender           Enum8('' = 0, 'f' = 102, 'm' = 109, 'x' = 120),
    language         FixedString(2),
    at               DateTime64(3) CODEC(Delta(8), LZ4),
    latency_ms       Int32 COMMENT 'from the first write to at; -1: never written',
    written_at       Nullable(DateTime64(3)) ALIAS if(latency_ms < 0, NULL, at - toIntervalMillisecond(latency_ms)),
    source_partition UInt16,
    source_offset    Int64 CODEC(Delta(8), LZ4),
    source_index     UInt32 CODEC(Delta(4), LZ4)
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(at)
ORDER BY (broadcast, source_partition, source_offset, source_index)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1;
