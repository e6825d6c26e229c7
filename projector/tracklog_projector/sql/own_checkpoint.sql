-- How far the views of this connection's search_path are. No parameters. Rows: one bigint.
select position from checkpoint where partition = 0;
