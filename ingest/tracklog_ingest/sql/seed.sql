-- Append the first event of a new log, experiment 0; does nothing when the log has begun.
-- $1 bigint: experiment id. $2 text: workspace. $3 text: name. $4 text: artifact location.
-- $5 smallint: kind. $6 smallint: version. $7 bytea: payload. No rows.
with begun as (
    update tracklog_log.head set position = 1 where partition = 0 and position = 0 returning position
),

admitted as (
    insert into tracklog_admission.experiment
        (partition, experiment_id, workspace, name, artifact_location, last_position)
    select 0, $1, $2, $3, $4, begun.position from begun
)

insert into tracklog_log.entry
    (partition, position, experiment_id, kind, version, workspace, principal, payload)
select 0, begun.position, $1, $5, $6, $2, '', $7 from begun;
