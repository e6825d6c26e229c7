-- What signs the URLs by which clients without a header of their own write and read the data of one trace for a while.
create table tracklog_access.url_key (key bytea not null);

insert into tracklog_access.url_key (key)
select sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));
