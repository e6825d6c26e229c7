-- A new experiment. $1 bigint: id. $2..$4 text: workspace, name, artifact location. $5 bigint: created. No rows.
insert into experiment (
    partition, experiment_id, workspace, name, artifact_location, created_ms, updated_ms
)
values (0, $1, $2, $3, $4, $5, $5);
