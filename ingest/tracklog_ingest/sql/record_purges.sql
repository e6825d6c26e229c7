-- What was purged and is not gone altogether. $1 bigint[]: positions. $2 uuid[]: runs, or nulls. $3 text[]: paths,
-- or ''. No rows.
insert into tracklog_admission.purge (partition, position, run_id, path, bytes_gone, points_gone)
select 0, given.position, given.run_id, given.path, given.path = '', given.run_id is null
from unnest($1::bigint[], $2::uuid[], $3::text[]) as given (position, run_id, path)
where given.path <> '' or given.run_id is not null;
