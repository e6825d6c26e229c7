-- How far the live views are. No parameters. Rows: (position bigint, metrics_position bigint).
select position, metrics_position from tracklog_view.checkpoint where partition = 0;
