-- Params already logged. $1 uuid[], $2 text[]: run ids and keys, pairwise. Rows: (run_id, key, value).
select param.run_id, param.key, param.value
from unnest($1::uuid[], $2::text[]) as wanted (run_id, key)
inner join tracklog_admission.param as param
    on param.partition = 0 and param.run_id = wanted.run_id and param.key = wanted.key collate "C";
