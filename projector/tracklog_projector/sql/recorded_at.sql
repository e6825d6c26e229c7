-- When an entry was recorded. $1 bigint: its position. Rows: one timestamptz.
select recorded_at from tracklog_log.entry where partition = 0 and position = $1;
