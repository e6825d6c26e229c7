-- Latest points, kept where they are later than what is there: by (step, timestamp, value), NaN counting as 0.
-- $1 uuid[]: run ids. $2 bigint[]: their experiments. $3 text[]: keys.
-- $4 double precision[]: values. $5, $6 bigint[]: timestamps and steps. No rows.
insert into metric (partition, run_id, experiment_id, key, value, "timestamp", step)
select 0, given.*
from unnest($1::uuid[], $2::bigint[], $3::text[], $4::double precision[], $5::bigint[], $6::bigint[]) as given
on conflict (partition, run_id, key) do update
set value = excluded.value, "timestamp" = excluded."timestamp", step = excluded.step
where
    (excluded.step, excluded."timestamp", coalesce(nullif(excluded.value, 'NaN'), 0))
    > (metric.step, metric."timestamp", coalesce(nullif(metric.value, 'NaN'), 0));
