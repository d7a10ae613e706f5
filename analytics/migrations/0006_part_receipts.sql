-- What the receipts of each part of a text in several said, from part 1 on; empty for texts in one. One column with two
-- computed ones beside it: stored as two arrays it cost the server twice the CPU of a row.
ALTER TABLE message_events
    ADD COLUMN IF NOT EXISTS part_receipts String COMMENT 'state:err of each part, separated by commas; open: it has no receipt',
    ADD COLUMN IF NOT EXISTS part_states Array(String)
        ALIAS if(part_receipts = '', [], arrayMap(p -> splitByChar(':', p)[1], splitByChar(',', part_receipts))),
    ADD COLUMN IF NOT EXISTS part_errors Array(String)
        ALIAS if(part_receipts = '', [], arrayMap(p -> splitByChar(':', p)[2], splitByChar(',', part_receipts)));
