-- The experiments that a group is about. $1 bigint[]: ids. $2 text[], $3 text[]: workspaces and names, pairwise.
-- Rows: (experiment_id, workspace, name, artifact_location, deleted, runs, tags).
select experiment_id, workspace, name, artifact_location, deleted, runs, tags
from tracklog_admission.experiment
where partition = 0 and experiment_id = any($1::bigint[])
union
select experiment_id, workspace, name, artifact_location, deleted, runs, tags
from tracklog_admission.experiment
where (workspace, name) in (select * from unnest($2::text[], $3::text[]));
