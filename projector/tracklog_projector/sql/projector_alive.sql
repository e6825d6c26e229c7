-- Does a process hold the projector's lock and keep up: nothing unfolded is older than a stall.
-- $1, $2 bigint: the upper and lower half of the lock's number. $3 integer: seconds. Rows: one boolean.
select
    exists (
        select from pg_locks
        where locktype = 'advisory' and classid = $1::bigint::oid and objid = $2::bigint::oid and granted
    )
    and not exists (
        select
        from tracklog_view.checkpoint as checkpoint
        inner join tracklog_log.entry as next
            on next.partition = checkpoint.partition and next.position = checkpoint.position + 1
        where next.recorded_at < now() - make_interval(secs => $3::integer)
    );
