-- Changes of runs; null leaves a column as it was. $1 uuid[]: ids. $2 text[]: names. $3 smallint[]: status.
-- $4 bigint[]: end. $5 boolean[]: deleted. $6 bigint[]: since when, where deleted. No rows.
update run
set
    name = coalesce(given.name, run.name),
    status = coalesce(given.status, run.status),
    end_ms = coalesce(given.end_ms, run.end_ms),
    deleted = coalesce(given.deleted, run.deleted),
    deleted_ms = case when given.deleted is null then run.deleted_ms else given.deleted_ms end
from unnest($1::uuid[], $2::text[], $3::smallint[], $4::bigint[], $5::boolean[], $6::bigint[])
    as given (run_id, name, status, end_ms, deleted, deleted_ms)
where run.partition = 0 and run.run_id = any($1::uuid[]) and run.run_id = given.run_id;
