-- Tags of logged models. $1 text[], $2 text[]: model ids and keys, pairwise. Rows: (model_id, key).
-- As in load_params.sql, the limit makes it a look-up a pair.
select wanted.model_id, wanted.key
from unnest($1::text[], $2::text[]) as wanted (model_id, key)
cross join lateral (
    select
    from tracklog_admission.model_tag as tag
    where
        tag.partition = 0
        and tag.model_id = wanted.model_id collate "C"
        and tag.key = wanted.key collate "C"
    limit 1
) as found;
