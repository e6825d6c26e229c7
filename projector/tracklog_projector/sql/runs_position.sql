-- Where the last entry of any of these runs is, 0 when they have none. $1 uuid[]: run ids. Rows: one bigint.
select coalesce(max(last_position), 0)
from tracklog_admission.run
where partition = 0 and run_id = any($1::uuid[]);
