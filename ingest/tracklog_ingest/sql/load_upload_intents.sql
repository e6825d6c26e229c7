-- Uploads intended at some paths. $1 uuid[]: keys of paths.
-- Rows: (path, upload_id, experiment_id, run_id, size_bytes, sha256, expires_at_s, reserved, counted,
-- principal).
select
    path, upload_id, experiment_id, run_id, size_bytes, sha256,
    extract(epoch from expires_at)::double precision as expires_at_s, reserved, counted, principal
from tracklog_admission.upload_intent
where partition = 0 and path_key = any($1::uuid[]);
