-- Begin a group's transaction and take the partition's turn: whoever holds this row lock appends, and the next
-- waits until the commit. That makes positions gap-free and visible in order. No parameters, no rows.
begin;
select position from tracklog_log.head where partition = 0 for update;
