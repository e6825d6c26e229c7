-- Experiments. $1 bigint[]: ids.
-- Rows: (experiment_id, workspace, name, artifact_location, deleted, runs, tags), of those there are.
select experiment_id, workspace, name, artifact_location, deleted, runs, tags
from tracklog_admission.experiment
where partition = 0 and experiment_id = any($1::bigint[]);
