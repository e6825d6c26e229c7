-- Workspaces by name. $1 text: one of them, or null for all. Rows: (name, description, default_level).
select name, description, default_level
from tracklog_access.workspace
where $1::text is null or name = $1
order by name;
