-- Put tombstones where purged runs logged something. $1 bigint[]: positions. $2, $3 smallint: the tombstone's kind and
-- version. $4 bytea[]: payloads. No rows.
update tracklog_log.entry as entry set kind = $2, version = $3, payload = given.payload
from unnest($1::bigint[], $4::bytea[]) as given (position, payload)
where entry.partition = 0 and entry.position = given.position;
