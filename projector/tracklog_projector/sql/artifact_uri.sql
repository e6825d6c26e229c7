-- Where a run's artifacts lie. $1 uuid: run id. Rows: one text, or none.
select artifact_uri from tracklog_admission.run where partition = 0 and run_id = $1;
