-- Files that are in the artifact store now. $1 uuid[]: keys of paths. $2 text[]: paths. $3 bigint[], $4 uuid[]:
-- experiments and runs. $5 bigint[]: sizes. $6, $7, $8 text[]: SHA-256, ETags, principals.
-- No rows.
insert into tracklog_admission.artifact
    (partition, path_key, path, experiment_id, run_id, size_bytes, sha256, etag, principal)
select 0, given.*
from unnest(
    $1::uuid[], $2::text[], $3::bigint[], $4::uuid[], $5::bigint[], $6::text[], $7::text[], $8::text[]
) as given
on conflict (partition, path_key) do update
set
    experiment_id = excluded.experiment_id,
    run_id = excluded.run_id,
    size_bytes = excluded.size_bytes,
    sha256 = excluded.sha256,
    etag = excluded.etag,
    principal = excluded.principal;
