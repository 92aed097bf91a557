"""Writes the statements. Values are bound, identifiers quoted, JSON is made by PostgreSQL."""

from . import query


def ident(name):
    return '"' + name.replace('"', '""') + '"'


def array_literal(values):
    quoted = ['"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' for value in values]
    return "{" + ",".join(quoted) + "}"


class Unrelated(Exception):
    """No way from a parent to an embedded resource (PGRST200)."""

    def __init__(self, parent, child, hint):
        super().__init__(parent, child)
        self.parent, self.child, self.hint = parent, child, hint


class NotToOne(Exception):
    """A spread (...) of a resource that may have several rows (PGRST119)."""


class Ambiguous(Exception):
    """More than one way (PGRST201)."""

    def __init__(self, parent, child, relations):
        super().__init__(parent, child)
        self.parent, self.child, self.relations = parent, child, relations


class Statement:
    """Collects parameters while the parts of one statement are written."""

    def __init__(self, catalog, max_rows, top_rows=None):
        self.catalog = catalog
        self.max_rows = max_rows  # of every level, as db-max-rows
        self.top_rows = top_rows  # of the outermost alone
        self.values = []
        self.depth = 0

    def bind(self, value):
        self.values.append(value)
        return f"${len(self.values)}"

    # ---- conditions

    def column(self, alias, name, path=()):
        text = f"{ident(alias)}.{ident(name)}"
        if path:
            text = f"to_jsonb({text})"  # arrays and rows have paths too
        for arrow, key in path:
            step = key if key.lstrip("-").isdigit() else "'" + key.replace("'", "''") + "'"
            text = f"({text}{arrow}{step})"
        return text

    def condition(self, alias, item):
        if isinstance(item, query.Logic):
            inner = f" {item.operator} ".join(self.condition(alias, part) for part in item.items)
            return f"{'NOT ' if item.negated else ''}({inner})"
        left, value = self.column(alias, item.column, item.path), item.value
        if item.operator == "in":
            text = f"{left} = ANY ({self.bind(array_literal(value))})"
        elif item.operator == "is":
            text = f"{left} IS {'NOT NULL' if value == 'not_null' else value.upper()}"
        else:
            if item.operator in ("like", "ilike"):
                value = value.replace("*", "%")
            text = f"{left} {query.OPERATORS[item.operator]} {self.bind(value)}"
        return f"NOT ({text})" if item.negated else text

    def where(self, alias, conditions, extra=()):
        texts = [*extra, *(self.condition(alias, item) for item in conditions)]
        return " WHERE " + " AND ".join(texts) if texts else ""

    def tail(self, alias, options, top):
        text = ""
        if options.order:
            text += " ORDER BY " + ", ".join(self.column(alias, name, path) + how for name, path, how in options.order)
        limits = [limit for limit in (options.limit, self.max_rows, self.top_rows if top else None) if limit is not None]
        if limits:
            text += f" LIMIT {min(limits)}"
        return text + (f" OFFSET {options.offset}" if options.offset else "")

    # ---- reading

    def select(self, source, alias, table, fields, options, extra=None):
        """SELECT … FROM source AS alias. `table` is the name by which relations are looked up."""
        items, inner = [], list(extra or ())
        for field in fields:
            if isinstance(field, query.Embed):
                item, required = self.embed(alias, table, field)
                items.extend(item)
                inner.extend(required)
            else:
                items.append(self.field(alias, field))
        where = self.where(alias, options.filters, inner)
        return (f"SELECT {', '.join(items) or '1'} FROM {source} AS {ident(alias)}{where}"
                f"{self.tail(alias, options, extra is None)}")

    def field(self, alias, field):
        if field.name == "*":
            return f"{ident(alias)}.*"
        text = self.column(alias, field.name, field.path)
        if field.cast:
            text = f"CAST({text} AS {self.type_name(field.cast)})"
        name = field.alias or (field.path[-1][1] if field.path else field.name)
        return f"{text} AS {ident(name)}"

    @staticmethod
    def type_name(name):
        if not all(char.isalnum() or char in "_ []." for char in name):
            raise query.QueryError(f'"failed to parse select parameter ({name})" (line 1, column 1)', "expecting a type")
        return name

    def relation(self, parent, embed):
        found = self.catalog.relations(parent, embed.name)
        if embed.hint:
            found = self.catalog.hinted(found, embed.hint)
        if not found:
            raise Unrelated(parent, embed.name, embed.hint)
        if len(found) > 1:
            raise Ambiguous(parent, embed.name, found)
        return found[0]

    def embed(self, alias, table, embed):
        """The columns of an embedded resource as correlated subselects, and what !inner demands of the parent."""
        relation = self.relation(table, embed)
        if embed.spread and not relation.single:
            raise NotToOne(table, embed.name)
        self.depth += 1
        child = f"{embed.alias or embed.name}_{self.depth}"
        source, extra = f"public.{ident(relation.target)}", []
        if relation.kind == "m2m":
            link = f"{relation.junction}_link_{self.depth}"
            between = [f"{ident(link)}.{ident(near)} = {ident(alias)}.{ident(own)}" for own, near in relation.pairs]
            beyond = [f"{ident(link)}.{ident(near)} = {ident(child)}.{ident(far)}"
                      for near, far in relation.junction_pairs]
            extra.append(f"EXISTS (SELECT 1 FROM public.{ident(relation.junction)} AS {ident(link)} "
                         f"WHERE {' AND '.join(between + beyond)})")
        else:
            extra += [f"{ident(child)}.{ident(far)} = {ident(alias)}.{ident(own)}" for own, far in relation.pairs]
        inside = self.select(source, child, relation.target, embed.fields, embed.options, extra)
        name, row = ident(embed.alias or embed.name), ident(child + "_row")
        if embed.spread:
            columns = [field.alias or field.name for field in embed.fields if isinstance(field, query.Field)]
            items = [f"(SELECT {row}.{ident(column)} FROM ({inside}) AS {row}) AS {ident(column)}" for column in columns]
        elif not embed.fields:
            items = []
        elif relation.single:
            items = [f"(SELECT row_to_json({row}) FROM ({inside}) AS {row}) AS {name}"]
        else:
            items = [f"coalesce((SELECT json_agg({row}) FROM ({inside}) AS {row}), '[]') AS {name}"]
        return items, [f"EXISTS ({inside})"] if embed.inner else []

    # ---- writing

    def record(self, table, columns, single=False):
        types = ", ".join(f"{ident(column)} {table.types[column]}" for column in columns)
        return f"json_to_record{'' if single else 'set'}({{}}) AS _({types})"

    def insert(self, table, columns, body, conflict, resolution, with_defaults):
        """INSERT … SELECT from the JSON body, with the upsert's clause; returns every column and whether it is new."""
        names = ", ".join(ident(column) for column in columns)
        payload = self.bind(body) + "::json"
        if with_defaults and any(column in table.defaults for column in columns):
            defaults = ", ".join(f"'{column.replace(chr(39), chr(39) * 2)}', {table.defaults[column]}"
                                 for column in columns if column in table.defaults)
            payload = (f"(SELECT json_agg(jsonb_build_object({defaults}) || element) "
                       f"FROM jsonb_array_elements({payload}::jsonb) AS element)")
        if columns:
            text = (f"INSERT INTO public.{ident(table.name)} ({names}) "
                    f"SELECT {names} FROM {self.record(table, columns).format(payload)}")
        else:
            text = f"INSERT INTO public.{ident(table.name)} DEFAULT VALUES"
        if resolution and conflict:
            target = ", ".join(ident(column) for column in conflict)
            change = ", ".join(f"{ident(column)} = EXCLUDED.{ident(column)}" for column in columns)
            text += f" ON CONFLICT ({target}) DO " + (
                f"UPDATE SET {change}" if resolution == "merge-duplicates" and change else "NOTHING")
        return f"{text} RETURNING {ident(table.name)}.*, ({ident(table.name)}.xmax = 0) AS pgrst_new"

    def update(self, table, columns, body, filters):
        change = ", ".join(f"{ident(column)} = pgrst_body.{ident(column)}" for column in columns)
        record = self.record(table, columns, single=True).format(self.bind(body) + "::json")
        where = self.where(table.name, filters)
        return (f"UPDATE public.{ident(table.name)} SET {change} FROM (SELECT * FROM {record}) AS pgrst_body{where} "
                f"RETURNING {ident(table.name)}.*, true AS pgrst_new")

    def delete(self, table, filters):
        where = self.where(table.name, filters)
        return f"DELETE FROM public.{ident(table.name)}{where} RETURNING {ident(table.name)}.*, true AS pgrst_new"
