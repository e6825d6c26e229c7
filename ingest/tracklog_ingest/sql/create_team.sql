-- $1 text: 'group' or 'role'. $2, $3, $4 text: workspace ('' for a group), name, description.
-- Rows: its id, or none when the name is taken.
insert into tracklog_access.team (kind, workspace, name, description)
values ($1, $2, $3, $4)
on conflict (kind, workspace, name) do nothing
returning team_id;
