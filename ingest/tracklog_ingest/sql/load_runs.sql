-- The log's head and the runs that a group is about. $1 uuid[]: run ids.
-- Rows: at least one; (position, run's columns), the latter null where there is no such run.
select
    head.position,
    run.run_id,
    run.experiment_id,
    run.name,
    run.user_id,
    run.artifact_uri,
    run.status,
    run.start_ms,
    run.end_ms,
    run.deleted,
    run.points,
    run.params,
    run.tags
from tracklog_log.head as head
left join tracklog_admission.run as run on run.partition = head.partition and run.run_id = any($1::uuid[])
where head.partition = 0;
