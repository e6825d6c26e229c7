-- Where the last entry about the artifacts of an experiment or a run is, 0 when there is none. $1 bigint: the
-- experiment, null for all. $2 uuid: the run, null for the whole experiment. Rows: one bigint.
select coalesce(max(last_position), 0)
from tracklog_admission.artifact_total
where
    partition = 0
    and ($1::bigint is null or experiment_id = $1)
    and run_id = coalesce($2::uuid, '00000000-0000-0000-0000-000000000000'::uuid);
