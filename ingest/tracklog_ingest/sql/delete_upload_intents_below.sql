-- Uploads at a path and below it, of what is gone, will not be recorded; what they had reserved is given back to their
-- experiment. $1 uuid: the path's key. $2, $3 text: the least and greatest start of paths below it. $4 text: what they
-- begin with. No rows.
with gone as (
    delete from tracklog_admission.upload_intent
    where
        partition = 0
        and (path_key = $1 or (left(path, 500) between $2 and $3 and starts_with(path, $4)))
    returning experiment_id, reserved, counted
),

freed as (select experiment_id, sum(reserved)::bigint as reserved from gone where counted group by experiment_id)

update tracklog_admission.artifact_total as total set reserved = total.reserved - freed.reserved
from freed
where
    total.partition = 0
    and total.experiment_id = freed.experiment_id
    and total.run_id = '00000000-0000-0000-0000-000000000000'::uuid;
