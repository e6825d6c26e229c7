-- Experiment tags already set. $1 bigint[], $2 text[]: experiment ids and keys, pairwise. Rows: (experiment_id, key).
-- As in load_params.sql, the limit makes it a look-up a pair.
select wanted.experiment_id, wanted.key
from unnest($1::bigint[], $2::text[]) as wanted (experiment_id, key)
cross join lateral (
    select
    from tracklog_admission.experiment_tag as tag
    where
        tag.partition = 0
        and tag.experiment_id = wanted.experiment_id
        and tag.key = wanted.key collate "C"
    limit 1
) as found;
