-- Params of logged models. $1 text[], $2 text[]: model ids and keys, pairwise. Rows: (model_id, key, value).
select param.model_id, param.key, param.value
from unnest($1::text[], $2::text[]) as wanted (model_id, key)
inner join tracklog_admission.model_param as param
    on
        param.partition = 0
        and param.model_id = wanted.model_id collate "C"
        and param.key = wanted.key collate "C";
