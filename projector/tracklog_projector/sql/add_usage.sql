-- Add to usage counters. $1, $2 text[]: scopes and subjects. $3..$10 bigint[]: entries, bytes, points, params, tags,
-- runs, artifact files, artifact bytes. No rows.
insert into usage as total (
    partition, scope, subject, entries, bytes, points, params, tags, runs, artifact_files, artifact_bytes
)
select 0, given.*
from unnest(
    $1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
    $9::bigint[], $10::bigint[]
) as given
on conflict (partition, scope, subject) do update
set
    entries = total.entries + excluded.entries,
    bytes = total.bytes + excluded.bytes,
    points = total.points + excluded.points,
    params = total.params + excluded.params,
    tags = total.tags + excluded.tags,
    runs = total.runs + excluded.runs,
    artifact_files = total.artifact_files + excluded.artifact_files,
    artifact_bytes = total.artifact_bytes + excluded.artifact_bytes;
