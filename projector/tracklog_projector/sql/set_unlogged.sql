-- Leave the tables of the current schema, which are empty, out of the write-ahead log: a crash empties them again.
-- No parameters, no rows.
do $$
declare
    name text;
begin
    for name in select relname from pg_class where relnamespace = current_schema()::regnamespace and relkind = 'r'
    loop
        execute format('alter table %I set unlogged', name);
    end loop;
end $$;
