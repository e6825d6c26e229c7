-- Tell the projector that a reader waits. $1 text: channel. $2 text: what to say. Rows: one void.
select pg_notify($1, $2);
