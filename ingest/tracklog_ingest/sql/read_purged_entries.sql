-- What purged runs logged, as it stands in a part of the log. $1, $2 bigint: after, and up to, these positions.
-- $3 bigint: of runs that were purged up to this position. $4 bigint: payload bytes at most, but one row always.
-- Rows: (position, version, payload).
with sized as (
    select
        entry.position,
        coalesce(sum(octet_length(entry.payload)) over (
            order by entry.position rows between unbounded preceding and 1 preceding
        ), 0) as bytes_before
    from tracklog_log.entry as entry
    where
        entry.partition = 0
        and entry.position > $1
        and entry.position <= $2
        and entry.kind = 14
        and exists (
            select
            from tracklog_admission.purge as purge
            where
                purge.partition = 0
                and purge.run_id = entry.run_id
                and not purge.points_gone
                and purge.position <= $3
        )
)

select entry.position, entry.version, entry.payload
from sized
inner join tracklog_log.entry as entry on entry.partition = 0 and entry.position = sized.position
where sized.bytes_before < $4
order by entry.position;
