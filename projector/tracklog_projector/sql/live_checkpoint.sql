-- How far the live views are. No parameters. Rows: one bigint.
select position from tracklog_view.checkpoint where partition = 0;
