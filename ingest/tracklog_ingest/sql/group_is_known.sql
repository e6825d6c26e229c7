-- Does a permission in a workspace speak of a group. $1 text: workspace. $2 bigint: the group. Rows: one boolean.
select exists (select from tracklog_access.permission where workspace = $1 and team_id = $2);
