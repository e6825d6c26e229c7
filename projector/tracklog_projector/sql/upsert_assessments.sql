-- What is said of traces. $1 text[]: trace ids. $2 text[]: ids. $3, $4, $5 text[]: kinds, names and values.
-- $6 float8[]: numbers. $7, $8 boolean[]: valid, of a session. $9 text[]: documents. No rows.
insert into assessment (
    partition, trace_id, assessment_id, kind, name, value, number, valid, of_session, document
)
select 0, given.*
from unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::float8[], $7::boolean[], $8::boolean[],
    $9::text[]
) as given
on conflict (partition, trace_id, assessment_id) do update
set
    kind = excluded.kind,
    name = excluded.name,
    value = excluded.value,
    number = excluded.number,
    valid = excluded.valid,
    of_session = excluded.of_session,
    document = excluded.document;
