-- Spans. $1 text[]: trace ids. $2, $3 text[]: their ids and their parents'. $4, $5, $6 text[]: names, types and
-- statuses. $7 bigint[]: starts. $8 text[]: contents. $9, $10 text[]: usages and costs. $11 bytea[]: payloads. No rows.
insert into span (
    partition, trace_id, span_id, parent_id, name, type, status, start_ns, content, usage, cost, payload
)
select 0, given.*
from unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::text[], $9::text[],
    $10::text[], $11::bytea[]
) as given
on conflict (partition, trace_id, span_id) do update
set
    parent_id = excluded.parent_id,
    name = excluded.name,
    type = excluded.type,
    status = excluded.status,
    start_ns = excluded.start_ns,
    content = excluded.content,
    usage = excluded.usage,
    cost = excluded.cost,
    payload = excluded.payload;
