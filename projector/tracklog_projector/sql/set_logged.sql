-- Make the tables of the current schema durable, which writes each anew with its indexes. No parameters, no rows.
do $$
declare
    name text;
begin
    for name in select relname from pg_class where relnamespace = current_schema()::regnamespace and relkind = 'r'
    loop
        execute format('alter table %I set logged', name);
    end loop;
end $$;
