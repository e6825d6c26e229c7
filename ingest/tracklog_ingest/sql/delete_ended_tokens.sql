-- Forget tokens that were made of another one and have ended. $1 text: that one's beginning. No rows.
delete from tracklog_access.token
where starts_with(token_id, $1 || '.') and expires_at < now();
