-- Tell who waits how far views are. $1 text: their schema. $2 bigint: position. Rows: one void.
select pg_notify('tracklog_views', $1::text || ':' || $2::bigint);
