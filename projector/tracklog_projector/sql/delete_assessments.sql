-- Assessments that are gone. $1, $2 text[]: trace ids and assessment ids. No rows.
delete from assessment as gone
using unnest($1::text[], $2::text[]) as given (trace_id, assessment_id)
where gone.partition = 0 and gone.trace_id = given.trace_id and gone.assessment_id = given.assessment_id;
