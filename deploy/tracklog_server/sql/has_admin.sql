-- Is there anyone who can let others in. No parameters. Rows: one boolean.
select exists (select from tracklog_access.principal where admin and not disabled);
