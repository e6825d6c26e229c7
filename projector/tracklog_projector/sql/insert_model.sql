-- A new logged model, pending. $1 text: id. $2 bigint: experiment id. $3..$6 text: name, type, source run, artifact
-- URI. $7 bigint: created. No rows.
insert into model (
    partition, model_id, experiment_id, name, model_type, source_run_id, artifact_uri, status,
    created_ms, updated_ms
)
values (0, $1, $2, $3, $4, $5, $6, 1, $7, $7);
