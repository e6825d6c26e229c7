-- Files in the artifact store. $1 uuid[]: keys of paths.
-- Rows: (path, experiment_id, run_id, size_bytes, sha256, etag, principal), of those there are.
select path, experiment_id, run_id, size_bytes, sha256, etag, principal
from tracklog_admission.artifact
where partition = 0 and path_key = any($1::uuid[]);
