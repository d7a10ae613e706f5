-- Messages that were settled by number, not one by one: the undecided rest of
-- a cancelled broadcast.
CREATE TABLE IF NOT EXISTS broadcast_counts
(
    broadcast        UInt32,
    state            Enum8('open' = 0, 'suppressed' = 1, 'rejected' = 2, 'expired_unsent' = 3, 'cancelled' = 4, 'uncertain' = 5,
                           'submitted' = 6, 'delivered' = 7, 'failed' = 8, 'expired' = 9, 'no_receipt' = 10),
    count            Int64,
    at               DateTime64(3),
    source_partition UInt16,
    source_offset    Int64
)
ENGINE = MergeTree
ORDER BY (broadcast, source_partition, source_offset)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1;
