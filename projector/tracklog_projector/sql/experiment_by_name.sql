-- The experiment that has a name now. $1 text: workspace. $2 text: name. Rows: one bigint, or none.
select experiment_id from tracklog_admission.experiment where workspace = $1 and name = $2;
