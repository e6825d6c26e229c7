"""What a database's catalog holds of some schemas, as lines of text: equal lines mean equal schemas."""

from collections.abc import Sequence
from typing import Any, Final

# Each query gives lines; $1 text[]: schema names. Objects that an extension or the system made are elsewhere.
QUERIES: Final[Sequence[str]] = (
    """
    select format('schema %s', nspname) from pg_namespace where nspname = any($1)
    """,
    """
    select format(
        'relation %s kind %s persistence %s options %s',
        oid::regclass, relkind, relpersistence, coalesce(reloptions, '{}')
    )
    from pg_class where relnamespace::regnamespace::text = any($1) and relkind not in ('i', 'I', 't')
    """,
    """
    select format(
        'column %s.%s number %s type %s collation %s not null %s default %s identity %s%s storage %s',
        c.oid::regclass, a.attname,
        row_number() over (partition by c.oid order by a.attnum), format_type(a.atttypid, a.atttypmod),
        nullif(a.attcollation, t.typcollation)::regcollation, a.attnotnull, pg_get_expr(d.adbin, d.adrelid),
        a.attidentity, a.attgenerated, a.attstorage
    )
    from pg_class c
    join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    join pg_type t on t.oid = a.atttypid
    left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
    where c.relnamespace::regnamespace::text = any($1) and c.relkind in ('r', 'v', 'm', 'p')
    """,
    """
    select format('constraint %s on %s: %s', conname, conrelid::regclass, pg_get_constraintdef(oid))
    from pg_constraint where connamespace::regnamespace::text = any($1)
    """,
    """
    select format('index %s options %s', pg_get_indexdef(oid), coalesce(reloptions, '{}'))
    from pg_class where relnamespace::regnamespace::text = any($1) and relkind = 'i'
    """,
    """
    select format('trigger %s enabled %s', pg_get_triggerdef(t.oid), t.tgenabled)
    from pg_trigger t join pg_class c on c.oid = t.tgrelid
    where c.relnamespace::regnamespace::text = any($1) and not t.tgisinternal
    """,
    """
    select format('function %s', pg_get_functiondef(oid))
    from pg_proc where pronamespace::regnamespace::text = any($1)
    """,
    """
    select format(
        'sequence %s type %s start %s step %s from %s to %s cycle %s',
        seqrelid::regclass, seqtypid::regtype, seqstart, seqincrement, seqmin, seqmax, seqcycle
    )
    from pg_sequence s join pg_class c on c.oid = s.seqrelid
    where c.relnamespace::regnamespace::text = any($1)
    """,
)


async def describe(connection: Any, schemas: Sequence[str]) -> list[str]:
    """Everything in these schemas, one line an object, sorted."""
    rows = [row for query in QUERIES for row in await connection.fetch(query, list(schemas))]
    return sorted(row[0] for row in rows)
