-- An experiment's traces, the oldest first. $1 bigint: experiment. $2 text[]: of these ids, null for any.
-- $3 bigint: not later than this time, null for any. $4 bigint: at most so many, null for all. Rows: (trace_id).
select trace_id
from trace
where
    experiment_id = $1::bigint
    and ($2::text[] is null or trace_id = any($2::text[]))
    and ($3::bigint is null or timestamp_ms <= $3::bigint)
order by timestamp_ms, trace_id
limit $4::bigint;
