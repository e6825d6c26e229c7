-- The runs of an experiment that were deleted from a time on, oldest first. $1 bigint: experiment. $2 bigint: in ms since
-- 1970. $3 integer: at most so many. Rows: (run_id).
select run_id
from run
where experiment_id = $1 and deleted and deleted_ms >= $2
order by start_ms, run_id
limit $3;
