-- Experiments that are new or changed. $1 bigint[]: ids. $2..$4 text[]: workspaces, names, artifact locations.
-- $5 boolean[]: deleted. $6 bigint[]: runs. $7 integer[]: tags. No rows.
insert into tracklog_admission.experiment
    (partition, experiment_id, workspace, name, artifact_location, deleted, runs, tags, last_position)
select 0, given.*, 0
from unnest(
    $1::bigint[], $2::text[], $3::text[], $4::text[], $5::boolean[], $6::bigint[], $7::integer[]
) as given
on conflict (partition, experiment_id) do update
set name = excluded.name, deleted = excluded.deleted, runs = excluded.runs, tags = excluded.tags;
