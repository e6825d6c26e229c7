-- Uploads below paths of what is gone will not be recorded; what they had reserved is given back to their
-- experiments. $1, $2 text[]: the least and greatest start of paths below each. $3 text[]: what they begin with. No rows.
with gone as (
    delete from tracklog_admission.upload_intent as intent
    using unnest($1::text[], $2::text[], $3::text[]) as given (least, greatest, prefix)
    where
        intent.partition = 0
        and left(intent.path, 500) between given.least and given.greatest
        and starts_with(intent.path, given.prefix)
    returning intent.experiment_id, intent.reserved, intent.counted
),

freed as (select experiment_id, sum(reserved)::bigint as reserved from gone where counted group by experiment_id)

update tracklog_admission.artifact_total as total set reserved = total.reserved - freed.reserved
from freed
where
    total.partition = 0
    and total.experiment_id = freed.experiment_id
    and total.run_id = '00000000-0000-0000-0000-000000000000'::uuid;
