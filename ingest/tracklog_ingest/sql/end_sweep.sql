-- The log was gone through to the end. No parameters, no rows.
delete from tracklog_admission.log_sweep
where partition = 0;
