-- Uploads that are intended. $1, $2 uuid[]: keys of paths, and of paths and upload ids. $3, $4 text[]: paths and upload
-- ids. $5 bigint[], $6 uuid[]: experiments and runs. $7 bigint[]: sizes or nulls. $8 text[]: SHA-256.
-- $9 double precision[]: when they expire, in seconds since 1970. $10 bigint[]: reserved bytes.
-- $11 boolean[]: do these count. $12 text[]: principals. No rows.
insert into tracklog_admission.upload_intent (
    partition, path_key, upload_key, path, upload_id, experiment_id, run_id, size_bytes, sha256, expires_at, reserved,
    counted, principal
)
select
    0, given.path_key, given.upload_key, given.path, given.upload_id, given.experiment_id, given.run_id,
    given.size_bytes, given.sha256, to_timestamp(given.expires_at_s), given.reserved, given.counted,
    given.principal
from unnest(
    $1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::bigint[], $6::uuid[], $7::bigint[], $8::text[],
    $9::double precision[], $10::bigint[], $11::boolean[], $12::text[]
) as given (
    path_key, upload_key, path, upload_id, experiment_id, run_id, size_bytes, sha256, expires_at_s, reserved, counted,
    principal
)
on conflict (partition, path_key, upload_key) do update
set
    experiment_id = excluded.experiment_id,
    run_id = excluded.run_id,
    size_bytes = excluded.size_bytes,
    sha256 = excluded.sha256,
    expires_at = excluded.expires_at,
    reserved = excluded.reserved,
    counted = excluded.counted,
    principal = excluded.principal;
