-- Tokens that were used. $1 text[]: their beginnings. No rows.
update tracklog_access.token set last_used_at = now() where token_id = any($1::text[]);
