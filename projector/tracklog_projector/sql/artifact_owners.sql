-- What artifacts may belong to. $1 uuid[]: runs. $2, $3 text[]: models and traces. $4 bigint[]: experiments.
-- Rows: (kind, subject, experiment_id, location, deleted), of those there are; the location is the run's, or of models
-- and traces their experiment's.
select 'run' as kind, replace(run_id::text, '-', '') as subject, experiment_id, artifact_uri as location, deleted
from tracklog_admission.run
where partition = 0 and run_id = any($1::uuid[]) and not purged
union all
select 'model', model.model_id, model.experiment_id, experiment.artifact_location, model.deleted
from tracklog_admission.model as model
inner join tracklog_admission.experiment as experiment
    on experiment.partition = model.partition and experiment.experiment_id = model.experiment_id
where model.partition = 0 and model.model_id = any($2::text[])
union all
select 'trace', trace.trace_id, trace.experiment_id, experiment.artifact_location, false
from tracklog_admission.trace as trace
inner join tracklog_admission.experiment as experiment
    on experiment.partition = trace.partition and experiment.experiment_id = trace.experiment_id
where trace.partition = 0 and trace.trace_id = any($3::text[])
union all
select 'experiment', experiment_id::text, experiment_id, '', deleted
from tracklog_admission.experiment
where partition = 0 and experiment_id = any($4::bigint[]);
