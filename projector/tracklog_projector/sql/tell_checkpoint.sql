-- Tell who waits how far the views of a schema are. $1 text: the schema, whose checkpoint this connection's search_path
-- finds. Rows: one void.
select pg_notify('tracklog_views', $1::text || ':' || position || ':' || metrics_position)
from checkpoint
where partition = 0;
