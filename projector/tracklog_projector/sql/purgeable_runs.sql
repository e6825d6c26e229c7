-- Runs that were deleted long ago. $1 bigint: up to this time, in ms since 1970. $2 bigint, $3 uuid: after the run that
-- was deleted then. $4 integer: at most so many.
-- Rows: (run_id, last_position, points, keys, files, bytes, deleted_ms), by when they were deleted.
select
    run.run_id, known.last_position, known.points, known.params + known.tags as keys, coalesce(total.files, 0) as files,
    coalesce(total.bytes, 0) as bytes, run.deleted_ms
from run
inner join tracklog_admission.run as known on known.partition = run.partition and known.run_id = run.run_id
left join tracklog_admission.artifact_total as total
    on
        total.partition = known.partition
        and total.experiment_id = known.experiment_id
        and total.run_id = known.run_id
where
    run.deleted
    and run.deleted_ms <= $1
    and (run.deleted_ms, run.run_id) > ($2, $3)
    and known.deleted
    and not known.purged
order by run.deleted_ms, run.run_id
limit $4;
