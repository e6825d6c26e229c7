-- Files as they are now. $1 uuid[], $2 text[]: keys of directories, and names in them. $3 text[]: paths.
-- $4 bigint[]: sizes. $5, $6 text[]: SHA-256 and ETags. $7 bigint[]: when they were recorded. No rows.
insert into artifact (partition, directory, name, path, size_bytes, sha256, etag, recorded_ms)
select 0, given.*
from unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::bigint[]) as given
on conflict (partition, directory, name) do update
set
    size_bytes = excluded.size_bytes,
    sha256 = excluded.sha256,
    etag = excluded.etag,
    recorded_ms = excluded.recorded_ms;
