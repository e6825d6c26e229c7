-- Where the last entry of any experiment of a workspace is, 0 when there are none. $1 text: it. Rows: one bigint.
select coalesce(max(last_position), 0) from tracklog_admission.experiment where workspace = $1;
