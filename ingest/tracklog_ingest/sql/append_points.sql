-- Admit and append a group that only logs points. $1 uuid[], $2 bigint[]: run ids and how many points, one per entry.
-- $3 smallint, $4 smallint: the event's kind and version. $5, $6 text[]: workspaces and principals. $7 bytea[]: payloads,
-- one of each per entry.
-- $8 bigint: the quota of points a run. $9 bigint: the head's `quotas` when that was known.
-- $10 uuid[], $11 bigint[]: producers and numbers of numbered requests. $12, $13 bigint[]: which of the entries, from 1,
-- are each one's first and last.
-- Rows: one bigint, the last position; null when a closer look is needed.
select tracklog_admission.append_points($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13);
