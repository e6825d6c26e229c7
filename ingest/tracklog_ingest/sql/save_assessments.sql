-- Assessments, new or changed. $1, $2 text[]: trace ids and assessment ids. $3 text[]: documents, JSON. No rows.
insert into tracklog_admission.assessment (partition, trace_id, assessment_id, document)
select 0, given.* from unnest($1::text[], $2::text[], $3::text[]) as given
on conflict (partition, trace_id, assessment_id) do update set document = excluded.document;
