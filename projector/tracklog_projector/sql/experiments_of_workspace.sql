-- All experiments of a workspace. $1 text: it. Rows: (experiment_id).
select experiment_id from tracklog_admission.experiment where workspace = $1 order by experiment_id;
