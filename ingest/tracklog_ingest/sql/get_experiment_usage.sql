-- What an experiment has of all that is limited. $1 bigint: experiment. $2 uuid: stands for all of its runs.
-- Rows: (experiment_runs, experiment_tags, experiment_artifact_bytes), or none.
select
    experiment.runs as experiment_runs,
    experiment.tags as experiment_tags,
    coalesce(total.bytes + total.reserved, 0) as experiment_artifact_bytes
from tracklog_admission.experiment as experiment
left join tracklog_admission.artifact_total as total
    on total.partition = 0 and experiment.experiment_id = total.experiment_id and total.run_id = $2
where experiment.partition = 0 and experiment.experiment_id = $1;
