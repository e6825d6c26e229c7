-- Traces as they are now. $1 text[]: ids. $2, $3 bigint[]: experiments and times. $4 text[]: states.
-- $5 bigint[]: durations. $6, $7, $8 text[]: client request ids, request and response previews. No rows.
insert into trace (
    partition, trace_id, experiment_id, timestamp_ms, state, duration_ms, client_request_id, request_preview,
    response_preview
)
select 0, given.*
from unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::text[])
    as given
on conflict (partition, trace_id) do update
set
    experiment_id = excluded.experiment_id,
    timestamp_ms = excluded.timestamp_ms,
    state = excluded.state,
    duration_ms = excluded.duration_ms,
    client_request_id = excluded.client_request_id,
    request_preview = excluded.request_preview,
    response_preview = excluded.response_preview;
