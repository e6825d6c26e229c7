-- Admit and append a group that only logs points. $1 uuid[], $2 bigint[]: run ids and how many points, one per entry.
-- $3 smallint, $4 smallint: the event's kind and version. $5, $6 text: workspace and principal. $7 bytea[]: payloads.
-- $8 bigint: the quota of points a run. Rows: one bigint, the last position; null when a closer look is needed.
select tracklog_admission.append_points($1, $2, $3, $4, $5, $6, $7, $8);
