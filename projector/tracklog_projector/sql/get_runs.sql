-- Runs, as their info shows them. $1 uuid[]: run ids.
-- Rows: (run_id, experiment_id, name, user_id, status, start_ms, end_ms, artifact_uri, deleted).
select run_id, experiment_id, name, user_id, status, start_ms, end_ms, artifact_uri, deleted
from run
where partition = 0 and run_id = any($1::uuid[]);
