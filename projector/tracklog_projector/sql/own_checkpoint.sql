-- How far the views of this connection's search_path are. No parameters.
-- Rows: (position bigint, metrics_position bigint).
select position, metrics_position from checkpoint where partition = 0;
