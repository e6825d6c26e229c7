-- Add to usage counters. $1, $2 text[]: scopes and subjects. $3..$8 bigint[]: entries, bytes, points, params, tags,
-- runs. No rows.
insert into usage as total (partition, scope, subject, entries, bytes, points, params, tags, runs)
select 0, given.*
from unnest(
    $1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[]
) as given
on conflict (partition, scope, subject) do update
set
    entries = total.entries + excluded.entries,
    bytes = total.bytes + excluded.bytes,
    points = total.points + excluded.points,
    params = total.params + excluded.params,
    tags = total.tags + excluded.tags,
    runs = total.runs + excluded.runs;
