-- The key that signs URLs of this server. No parameters. Rows: one bytea.
select key from tracklog_access.url_key;
