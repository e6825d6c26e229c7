-- The indexes of the views that only searches of runs read: a rebuild makes them once its tables are full, which takes
-- a fraction of the time that keeping them in order meanwhile would. No parameters, no rows.
create index param_by_start on param (experiment_id, key, start, run_id) include (partition);
create index tag_by_start on tag (experiment_id, key, start, run_id) include (partition);
create index metric_by_value on metric (experiment_id, key, value, run_id) include (partition);
create index run_dataset_by_name on run_dataset (experiment_id, name, digest, run_id);
