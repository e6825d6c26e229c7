-- Logged models. $1 text[]: model ids. Rows: (model_id, experiment_id, name, model_type, source_run_id, artifact_uri,
-- status, created_ms, updated_ms, deleted).
select
    model_id,
    experiment_id,
    name,
    model_type,
    source_run_id,
    artifact_uri,
    status,
    created_ms,
    updated_ms,
    deleted
from model
where partition = 0 and model_id = any($1::text[]);
