-- Params of logged models. $1 text[], $2 text[]: model ids and keys, pairwise. Rows: (model_id, key, value).
-- As in load_params.sql, the limit makes it a look-up a pair.
select wanted.model_id, wanted.key, found.value
from unnest($1::text[], $2::text[]) as wanted (model_id, key)
cross join lateral (
    select param.value
    from tracklog_admission.model_param as param
    where
        param.partition = 0
        and param.model_id = wanted.model_id collate "C"
        and param.key = wanted.key collate "C"
    limit 1
) as found;
