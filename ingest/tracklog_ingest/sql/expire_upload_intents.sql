-- Give back what expired uploads had reserved. $1 bigint[]: experiments. $2 double precision: now, in seconds since
-- 1970. No rows.
with expired as (
    update tracklog_admission.upload_intent set counted = false
    where partition = 0 and experiment_id = any($1::bigint[]) and counted and expires_at <= to_timestamp($2)
    returning experiment_id, run_id, reserved
),

freed as (
    select experiment_id, run_id, reserved from expired where run_id is not null
    union all
    select experiment_id, '00000000-0000-0000-0000-000000000000'::uuid, reserved from expired
),

summed as (
    select experiment_id, run_id, sum(reserved)::bigint as reserved from freed group by experiment_id, run_id
)

update tracklog_admission.artifact_total as total set reserved = total.reserved - summed.reserved
from summed
where total.partition = 0 and total.experiment_id = summed.experiment_id and total.run_id = summed.run_id;
