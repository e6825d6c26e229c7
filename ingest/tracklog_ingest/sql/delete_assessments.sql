-- Assessments that are gone. $1, $2 text[]: trace ids and assessment ids. No rows.
delete from tracklog_admission.assessment as assessment
using unnest($1::text[], $2::text[]) as given (trace_id, assessment_id)
where
    assessment.partition = 0
    and assessment.trace_id = given.trace_id
    and assessment.assessment_id = given.assessment_id;
