-- Points of models' metrics; of two by one run at one time and step the first stays. $1 text[]: model ids.
-- $2 uuid[]: run ids. $3, $4 text[]: dataset names and digests, or ''. $5 text[]: keys.
-- $6 double precision[]: values. $7, $8 bigint[]: timestamps and steps. No rows.
insert into model_metric (
    partition, model_id, run_id, dataset_name, dataset_digest, key, value, "timestamp", step
)
select 0, given.*
from
    unnest(
        $1::text[],
        $2::uuid[],
        $3::text[],
        $4::text[],
        $5::text[],
        $6::double precision[],
        $7::bigint[],
        $8::bigint[]
    ) as given
on conflict do nothing;
