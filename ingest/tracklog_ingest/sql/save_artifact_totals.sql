-- What runs and experiments have in the artifact store now. $1 bigint[], $2 uuid[]: experiments and runs.
-- $3, $4 bigint[]: files and bytes.
-- $5 bigint[]: reserved bytes. $6 bigint[]: positions, 0 where the last one stays. No rows.
insert into tracklog_admission.artifact_total as total
    (partition, experiment_id, run_id, files, bytes, reserved, last_position)
select 0, given.*
from unnest($1::bigint[], $2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[]) as given
on conflict (partition, experiment_id, run_id) do update
set
    files = excluded.files,
    bytes = excluded.bytes,
    reserved = excluded.reserved,
    last_position = greatest(total.last_position, excluded.last_position);
