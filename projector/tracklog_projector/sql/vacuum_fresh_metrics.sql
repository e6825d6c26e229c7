-- Let new rows take the room of those that were taken out. No parameters, no rows.
vacuum metric_fresh;
