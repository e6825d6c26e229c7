-- Runs that have more than one batch of open chunks. No parameters. Rows: (run_id).
select run_id
from chunk
where partition = 0 and not sealed
group by run_id
having count(distinct batch) > 1;
