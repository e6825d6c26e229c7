-- Params already logged. $1 uuid[], $2 text[]: run ids and keys, pairwise. Rows: (run_id, key, value).
-- A limit in the subquery makes it a look-up a pair, whatever the planner knows of the table: without statistics it
-- would rather read the whole partition.
select wanted.run_id, wanted.key, found.value
from unnest($1::uuid[], $2::text[]) as wanted (run_id, key)
cross join lateral (
    select param.value
    from tracklog_admission.param as param
    where param.partition = 0 and param.run_id = wanted.run_id and param.key = wanted.key collate "C"
    limit 1
) as found;
