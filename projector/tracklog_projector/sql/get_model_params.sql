-- Params of logged models, by key. $1 text[]: model ids. Rows: (model_id, key, value).
select model_id, key, value
from model_param
where partition = 0 and model_id = any($1::text[])
order by model_id, key;
