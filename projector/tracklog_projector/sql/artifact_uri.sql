-- Where a run's artifacts lie. $1 uuid: run id. Rows: (artifact_uri, experiment_id), or none.
select artifact_uri, experiment_id from tracklog_admission.run where partition = 0 and run_id = $1 and not purged;
