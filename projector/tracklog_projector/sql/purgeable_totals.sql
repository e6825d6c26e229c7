-- How much was deleted long ago. $1 bigint: up to this time, in ms since 1970.
-- Rows: one (runs, points, files, bytes, models, traces, experiments); the files and bytes are those of runs.
with due_runs as (
    select known.points, total.files, total.bytes
    from run
    inner join tracklog_admission.run as known on known.partition = run.partition and known.run_id = run.run_id
    left join tracklog_admission.artifact_total as total
        on
            total.partition = known.partition
            and total.experiment_id = known.experiment_id
            and total.run_id = known.run_id
    where run.deleted and run.deleted_ms <= $1 and not known.purged
),

due_experiments as (
    select experiment_id from experiment
    where partition = 0 and deleted and updated_ms <= $1
)

select
    (select count(*) from due_runs) as runs,
    (select coalesce(sum(points), 0)::bigint from due_runs) as points,
    (select coalesce(sum(files), 0)::bigint from due_runs) as files,
    (select coalesce(sum(bytes), 0)::bigint from due_runs) as bytes,
    (
        select count(*) from model
        where
            (deleted and updated_ms <= $1)
            or experiment_id in (select experiment_id from due_experiments)
    ) as models,
    (select count(*) from trace where experiment_id in (select experiment_id from due_experiments)) as traces,
    (select count(*) from due_experiments where experiment_id <> 0) as experiments;
