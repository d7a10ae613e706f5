-- What the sink has taken from the log: one row a topic once merged, the one
-- with the highest seq. Written before the rows of a cut, so that after a
-- crash the very same cut is repeated under the same token. Arrays are indexed
-- by partition.
CREATE TABLE IF NOT EXISTS sink_cuts
(
    topic  String,
    seq    UInt64,
    sink   String COMMENT 'the process that wrote it',
    first  Array(Int64) COMMENT 'offset of the first record',
    next   Array(Int64) COMMENT 'offset behind the last record',
    owner  Array(Int64) COMMENT 'owner epoch as of first; -1: none yet',
    events UInt64 COMMENT 'rows that the cut became',
    at     DateTime64(3)
)
ENGINE = ReplacingMergeTree(seq)
ORDER BY topic
SETTINGS fsync_after_insert = 1;
