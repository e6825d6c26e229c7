-- Of these runs, those with a level of open chunks that is due to be merged. $1 uuid[]: run ids.
-- $2 bigint: batches that make a level full. Rows: (run_id).
select distinct run_id
from chunk
where partition = 0 and not sealed and run_id = any($1::uuid[])
group by run_id, level
having count(distinct batch) >= $2;
