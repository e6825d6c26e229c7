-- Directories have more files and bytes, or less; what is missing is made. $1 uuid[], $2 text[]: keys of the
-- directories they lie in, and names. $3 text[]: paths. $4, $5 bigint[]: files and bytes. No rows.
insert into artifact_directory as known (partition, directory, name, path, files, bytes)
select 0, given.*
from unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::bigint[]) as given
on conflict (partition, directory, name) do update
set files = known.files + excluded.files, bytes = known.bytes + excluded.bytes;
