-- The log after a position. $1 bigint: position. $2 integer: rows at most. $3 bigint: payload bytes at most, but
-- one row always. Rows: (position, recorded_at, workspace, experiment_id, run_id, principal, kind, version, payload).
with sized as (
    select
        position,
        coalesce(sum(octet_length(payload)) over (
            order by position rows between unbounded preceding and 1 preceding
        ), 0) as bytes_before
    from tracklog_log.entry
    -- Positions have no gaps, so a range does what a limit would, and no plan of it reads on to the log's end.
    where partition = 0 and position > $1 and position <= $1 + $2::integer
)

select
    entry.position,
    entry.recorded_at,
    entry.workspace,
    entry.experiment_id,
    entry.run_id,
    entry.principal,
    entry.kind,
    entry.version,
    entry.payload
from sized
inner join tracklog_log.entry as entry on entry.partition = 0 and entry.position = sized.position
where sized.bytes_before < $3
order by entry.position;
