-- What a run has of all that is limited. $1 uuid: run. Rows: (experiment_id, run_points, run_params, run_tags,
-- run_artifact_bytes), or none.
select
    run.experiment_id,
    run.points as run_points,
    run.params as run_params,
    run.tags as run_tags,
    coalesce(total.bytes + total.reserved, 0) as run_artifact_bytes
from tracklog_admission.run as run
left join tracklog_admission.artifact_total as total
    on total.partition = 0 and run.experiment_id = total.experiment_id and run.run_id = total.run_id
where run.partition = 0 and run.run_id = $1 and not run.purged;
