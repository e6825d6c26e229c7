-- What was purged and whose bytes may still be there. $1 bigint: after this position. $2 integer: at most so many.
-- Rows: (position, path).
select position, path
from tracklog_admission.purge
where partition = 0 and position > $1 and not bytes_gone
order by position
limit $2;
