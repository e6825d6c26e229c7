-- The spans of traces. $1 text[]: trace ids. $2 boolean: the payloads, or the contents.
-- Rows: (trace_id, payload, content), roots first, then by their starts; one of the two is null.
select
    trace_id,
    case when $2::boolean then payload end as payload,
    case when not $2::boolean then content end as content
from span
where partition = 0 and trace_id = any($1::text[])
order by (parent_id is not null), start_ns, span_id;
