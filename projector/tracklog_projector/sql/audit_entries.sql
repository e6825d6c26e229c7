-- Entries of the log for an audit. $1 bigint: after this position. $2 integer: how many positions to look at. $3 text:
-- of this principal, or null. $4 bigint: of this experiment, or null. $5 timestamptz: recorded since, or null.
-- $6 integer: rows at most. $7 smallint[]: kinds whose payloads are not wanted.
-- Rows: (position, recorded_at, workspace, experiment_id, run_id, principal, kind, version, size_bytes, payload).
select
    position, recorded_at, workspace, experiment_id, run_id, principal, kind, version,
    octet_length(payload) as size_bytes,
    case when kind = any($7::smallint[]) then null else payload end as payload
from tracklog_log.entry
where
    partition = 0
    and position > $1
    and position <= $1 + $2::integer
    and ($3::text is null or principal = $3)
    and ($4::bigint is null or experiment_id = $4)
    and ($5::timestamptz is null or recorded_at >= $5)
order by position
limit $6;
