-- Experiments. $1 bigint[]: ids.
-- Rows: (experiment_id, workspace, name, artifact_location, deleted, created_ms, updated_ms).
select experiment_id, workspace, name, artifact_location, deleted, created_ms, updated_ms
from experiment
where partition = 0 and experiment_id = any($1::bigint[]);
