-- What the receipts of each part of a text in several said; empty for texts in
-- one, and where no receipt told of a part.
ALTER TABLE message_events
    ADD COLUMN IF NOT EXISTS part_states Array(Enum8('open' = 0, 'suppressed' = 1, 'rejected' = 2, 'expired_unsent' = 3,
                             'cancelled' = 4, 'uncertain' = 5, 'submitted' = 6, 'delivered' = 7, 'failed' = 8, 'expired' = 9,
                             'no_receipt' = 10)) COMMENT 'of part 1 on; open: it has no receipt',
    ADD COLUMN IF NOT EXISTS part_errors Array(LowCardinality(String)) COMMENT 'err of their receipts';
