-- Where a run is, as the write side knows. $1 uuid: run id. Rows: one bigint, or none.
select experiment_id from tracklog_admission.run where partition = 0 and run_id = $1;
