-- Does a permission in a workspace speak of a principal, or of a team it is in. $1 text: workspace. $2 bigint: the
-- principal. Rows: one boolean.
select exists (
    select
    from tracklog_access.permission
    where
        workspace = $1
        and (
            principal_id = $2
            or team_id in (select team_id from tracklog_access.member where principal_id = $2)
        )
);
