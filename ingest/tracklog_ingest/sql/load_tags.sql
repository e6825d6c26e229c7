-- Tags already set. $1 uuid[], $2 text[]: run ids and keys, pairwise. Rows: (run_id, key).
-- As in load_params.sql, the limit makes it a look-up a pair.
select wanted.run_id, wanted.key
from unnest($1::uuid[], $2::text[]) as wanted (run_id, key)
cross join lateral (
    select
    from tracklog_admission.tag as tag
    where tag.partition = 0 and tag.run_id = wanted.run_id and tag.key = wanted.key collate "C"
    limit 1
) as found;
