-- Where the last entry of any of these traces is, 0 when there are none of them. $1 text[]: ids. Rows: one bigint.
select coalesce(max(last_position), 0)
from tracklog_admission.trace
where partition = 0 and trace_id = any($1::text[]);
