-- New runs. $1 uuid[]: ids. $2 bigint[]: experiment ids. $3..$5 text[]: names, users, artifact URIs.
-- $6 smallint[]: status. $7 bigint[]: start. $8 bigint[]: end or null. $9 boolean[]: deleted.
-- $10 bigint[]: since when, or null. No rows.
insert into run (
    partition, run_id, experiment_id, name, user_id, artifact_uri, status, start_ms, end_ms, deleted, deleted_ms
)
select 0, given.*
from unnest(
    $1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::smallint[], $7::bigint[], $8::bigint[],
    $9::boolean[], $10::bigint[]
) as given;
