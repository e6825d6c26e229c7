-- Runs that are new or changed in more than their points. $1 uuid[]: ids. $2 bigint[]: experiment ids.
-- $3..$5 text[]: names, users, artifact URIs. $6 smallint[]: status. $7 bigint[]: start. $8 bigint[]: end or null.
-- $9 boolean[]: deleted. $10 integer[]: params. $11 integer[]: tags. No rows.
insert into tracklog_admission.run (
    partition, run_id, experiment_id, name, user_id, artifact_uri, status, start_ms, end_ms, deleted,
    params, tags, last_position
)
select 0, given.*, 0
from unnest(
    $1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::smallint[], $7::bigint[], $8::bigint[],
    $9::boolean[], $10::integer[], $11::integer[]
) as given
on conflict (partition, run_id) do update
set
    name = excluded.name,
    status = excluded.status,
    end_ms = excluded.end_ms,
    deleted = excluded.deleted,
    params = excluded.params,
    tags = excluded.tags;
