-- Where the last entries of runs, logged models and experiments are. $1 uuid[]: runs. $2 text[]: models.
-- $3 bigint[]: experiments. Rows: (run_id, model_id, experiment_id, last_position), two of the ids null.
select run_id, null as model_id, null::bigint as experiment_id, last_position
from tracklog_admission.run
where partition = 0 and run_id = any($1::uuid[]) and not purged
union all
select null, model_id, null, last_position
from tracklog_admission.model
where partition = 0 and model_id = any($2::text[])
union all
select null, null, experiment_id, last_position
from tracklog_admission.experiment
where partition = 0 and experiment_id = any($3::bigint[]);
