-- Begin to go through the log for points of purged runs, or go on; none when there are none. No parameters.
-- Rows: one (until, position), or none.
with begun as (
    insert into tracklog_admission.log_sweep (partition, until, position)
    select head.partition, head.position, 0
    from tracklog_log.head as head
    where
        head.partition = 0
        and exists (select from tracklog_admission.purge where partition = 0 and not points_gone)
    on conflict (partition) do nothing
    returning until, position
)

select until, position from begun
union all
select until, position from tracklog_admission.log_sweep where partition = 0;
