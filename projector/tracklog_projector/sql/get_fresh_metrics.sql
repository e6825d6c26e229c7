-- Latest points of runs that are not in `metric` yet. $1 uuid[]: run ids. Rows: (run_id, payload).
select run_id, payload
from metric_fresh
where partition = 0 and run_id = any($1::uuid[])
order by run_id, position;
