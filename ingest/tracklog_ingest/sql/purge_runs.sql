-- Runs that are gone: all that stays known is the id. $1 uuid[]: ids. No rows.
with params as (delete from tracklog_admission.param where partition = 0 and run_id = any($1::uuid[])),

tags as (delete from tracklog_admission.tag where partition = 0 and run_id = any($1::uuid[])),

totals as (
    delete from tracklog_admission.artifact_total as total
    using tracklog_admission.run as run
    where
        run.partition = 0
        and run.run_id = any($1::uuid[])
        and total.partition = run.partition
        and total.experiment_id = run.experiment_id
        and total.run_id = run.run_id
)

update tracklog_admission.run set purged = true, name = '', user_id = '', artifact_uri = '', start_ms = 0, end_ms = null
where partition = 0 and run_id = any($1::uuid[]);
