-- Models that runs read or made, in the order they were linked. $1 uuid[]: run ids.
-- Rows: (run_id, model_id, output, step).
select run_id, model_id, output, step
from run_model
where partition = 0 and run_id = any($1::uuid[])
order by run_id, number, model_id;
