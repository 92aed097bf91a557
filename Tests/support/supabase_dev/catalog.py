"""What the database has in schema public: tables, keys, functions. PostgREST's schema cache."""

import dataclasses
import threading
import time

TABLES = """
SELECT c.oid, c.relname, a.attname, format_type(a.atttypid, a.atttypmod), pg_get_expr(d.adbin, d.adrelid)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p', 'v', 'm', 'f') ORDER BY c.oid, a.attnum
"""

KEYS = """
SELECT k.contype::text, k.conname, t.relname, f.relname,
    ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY AS x(n, o)
          JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = x.n ORDER BY x.o),
    ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY AS x(n, o)
          JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = x.n ORDER BY x.o)
FROM pg_constraint k JOIN pg_class t ON t.oid = k.conrelid JOIN pg_namespace n ON n.oid = t.relnamespace
LEFT JOIN pg_class f ON f.oid = k.confrelid
WHERE n.nspname = 'public' AND k.contype IN ('p', 'u', 'f') ORDER BY t.relname, k.conname
"""

FUNCTIONS = """
SELECT p.proname, coalesce(p.proargnames, '{}'), p.proargmodes::text[], p.pronargs, p.pronargdefaults, p.proretset,
    p.provolatile::text, t.typtype::text, t.typname, r.relname,
    ARRAY(SELECT format_type(x.t, NULL) FROM unnest(coalesce(p.proallargtypes, p.proargtypes::oid[]))
          WITH ORDINALITY AS x(t, o) ORDER BY x.o)
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_type t ON t.oid = p.prorettype
LEFT JOIN pg_class r ON r.oid = t.typrelid
WHERE n.nspname = 'public' AND p.prokind = 'f'
    AND NOT EXISTS (SELECT 1 FROM pg_depend e WHERE e.objid = p.oid AND e.classid = 'pg_proc'::regclass AND e.deptype = 'e')
"""


@dataclasses.dataclass
class Table:
    name: str
    types: dict
    defaults: dict
    primary: list = dataclasses.field(default_factory=list)
    unique: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class ForeignKey:
    name: str
    table: str
    columns: list
    target: str
    target_columns: list


@dataclasses.dataclass
class Function:
    name: str
    arguments: dict  # name -> type, the ones to be given
    required: list
    returns_set: bool
    volatile: bool
    composite: bool
    void: bool
    table: str | None


@dataclasses.dataclass
class Relation:
    """How rows of a parent find rows of a target: `pairs` of (parent column, target column), maybe over a junction."""

    kind: str  # m2o, o2o, o2m, m2m
    target: str
    pairs: list
    name: str
    junction: str | None = None
    junction_pairs: list | None = None

    @property
    def single(self):
        return self.kind in ("m2o", "o2o")


class Catalog:
    def __init__(self, connection):
        self.tables = {}
        self.foreign = []
        self.functions = {}
        for _, table, column, kind, default in connection.execute(TABLES):
            found = self.tables.setdefault(table, Table(table, {}, {}))
            found.types[column] = kind
            if default is not None:
                found.defaults[column] = default
        for kind, name, table, target, columns, target_columns in connection.execute(KEYS):
            if kind == "f":
                self.foreign.append(ForeignKey(name, table, columns, target, target_columns))
            elif table in self.tables:
                self.tables[table].unique.append(set(columns))
                if kind == "p":
                    self.tables[table].primary = columns
        for row in connection.execute(FUNCTIONS):
            self._add_function(*row)

    def _add_function(self, name, names, modes, count, defaults, returns_set, volatility, kind, kind_name, table, types):
        modes = modes or ["i"] * len(types)
        names = list(names) + [""] * (len(types) - len(names))
        inputs = [(name_, type_) for name_, type_, mode in zip(names, types, modes) if mode in "ibv"]
        self.functions.setdefault(name, []).append(Function(
            name, dict(inputs), [given for given, _ in inputs[:count - defaults]], returns_set, volatility == "v",
            kind == "c" or kind_name == "record" or any(mode in "tbo" for mode in modes), kind_name == "void", table))

    def relations(self, parent, name):
        """All ways from a parent table to what a select calls `name`: a table, a foreign key or its column."""
        found = []
        for key in self.foreign:
            if key.table == parent and (key.target == name or key.name == name or key.columns == [name]):
                found.append(Relation("m2o", key.target, list(zip(key.columns, key.target_columns)), key.name))
            if key.target == parent and (key.table == name or key.name == name):
                kind = "o2o" if set(key.columns) in self.tables[key.table].unique else "o2m"
                found.append(Relation(kind, key.table, list(zip(key.target_columns, key.columns)), key.name))
        for near in self.foreign:
            for far in self.foreign:
                if near is far or near.table != far.table or near.target != parent or far.target != name:
                    continue
                if set(near.columns + far.columns) <= set(self.tables[near.table].primary):
                    found.append(Relation("m2m", far.target, list(zip(near.target_columns, near.columns)), near.table,
                                          near.table, list(zip(far.columns, far.target_columns))))
        return found

    def hinted(self, relations, hint):
        return [relation for relation in relations
                if hint in (relation.name, relation.junction, relation.target)
                or any(hint in pair for pair in relation.pairs)]


class CatalogCache:
    """Reads the catalog again when it is a second old, or when something was not found in it: Supabase reloads
    PostgREST's cache after every change of the schema."""

    def __init__(self, database):
        self.database = database
        self.lock = threading.Lock()
        self.catalog = None
        self.read_at = 0.0

    def get(self, fresh=False):
        with self.lock:
            if fresh or self.catalog is None or time.monotonic() - self.read_at > 1:
                with self.database.connection() as connection:
                    self.catalog = Catalog(connection)
                self.read_at = time.monotonic()
            return self.catalog
