-- Where the last entry about the artifacts of these is, 0 when there is none. $1 bigint[]: experiments, null for all.
-- $2 uuid[]: runs, pairwise; null for a whole experiment. Rows: one bigint.
select coalesce(max(found.last_position), 0)
from (
    select last_position
    from tracklog_admission.artifact_total
    where $1::bigint[] is null and partition = 0
    union all
    select total.last_position
    from unnest($1::bigint[], $2::uuid[]) as given (experiment_id, run_id)
    inner join tracklog_admission.artifact_total as total
        on
            total.partition = 0
            and total.experiment_id = given.experiment_id
            and total.run_id = coalesce(given.run_id, '00000000-0000-0000-0000-000000000000'::uuid)
) as found;
