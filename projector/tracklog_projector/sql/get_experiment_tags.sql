-- Tags of experiments, by key. $1 bigint[]: experiment ids. Rows: (experiment_id, key, value).
select experiment_id, key, value
from experiment_tag
where partition = 0 and experiment_id = any($1::bigint[])
order by experiment_id, key;
