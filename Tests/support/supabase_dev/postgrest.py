"""/rest/v1 as PostgREST 12 answers it: tables of schema public; functions are in functions.py."""

import difflib
import json
import re

import psycopg

from . import auth, functions, query, sql
from .answers import JSON_TYPES, OBJECT, Preferences, fail, sql_error
from .catalog import CatalogCache
from .web import ApiError, Response


class Rest:
    def __init__(self, database, secret, max_rows):
        self.database = database
        self.secret = secret
        self.max_rows = max_rows
        self.cache = CatalogCache(database)

    def handle(self, request):
        request.role = auth.rest_role(self.secret, request)
        parts = request.path.removeprefix("/rest/v1").strip("/").split("/")
        try:
            if parts == [""]:
                fail(404, "PGRST126", "Root endpoint metadata is disabled")
            if len(parts) == 2 and parts[0] == "rpc":
                return functions.call(self, request, parts[1])
            if len(parts) != 1:
                fail(404, "PGRST125", "Invalid path specified in request URL")
            handler = {"GET": self.read, "HEAD": self.read, "POST": self.insert, "PATCH": self.update,
                       "DELETE": self.delete}.get(request.method)
            if handler is None:
                fail(405, "PGRST117", f"Unsupported HTTP method: {request.method}")
            return handler(request, self.table(parts[0]))
        except query.QueryError as bad:
            fail(400, "PGRST100", bad.message, bad.details)
        except query.NotEmbedded as bad:
            fail(400, "PGRST108", f"'{bad}' is not an embedded resource in this request",
                 hint=f"Verify that '{bad}' is included in the 'select' query parameter.")
        except sql.Unrelated as bad:
            hinted = f"' using the hint '{bad.hint}" if bad.hint else ""
            fail(400, "PGRST200",
                 f"Could not find a relationship between '{bad.parent}' and '{bad.child}' in the schema cache",
                 f"Searched for a foreign key relationship between '{bad.parent}' and '{bad.child}{hinted}' "
                 "in the schema 'public', but no matches were found.")
        except sql.NotToOne as bad:
            fail(400, "PGRST119", f"A spread operation on '{bad.args[1]}' is not possible",
                 f"'{bad.args[0]}' and '{bad.args[1]}' do not form a many-to-one or one-to-one relationship")
        except query.Aggregate:
            fail(400, "PGRST123", "Use of aggregate functions is not allowed")
        except sql.Ambiguous as bad:
            self.ambiguous(bad)
        except psycopg.Error as bad:
            raise ApiError(sql_error(bad, request.role)) from None

    @staticmethod
    def ambiguous(bad):
        kinds = {"m2o": "many-to-one", "o2o": "one-to-one", "o2m": "one-to-many", "m2m": "many-to-many"}
        choices = ", ".join(f"'{relation.target}!{relation.name}'" for relation in bad.relations)
        fail(300, "PGRST201", "Could not embed because more than one relationship was found for "
             f"'{bad.parent}' and '{bad.child}'",
             [{"cardinality": kinds[relation.kind], "embedding": f"{bad.parent} with {relation.target}",
               "relationship": relation.name} for relation in bad.relations],
             f"Try changing '{bad.child}' to one of the following: {choices}. "
             "Find the desired relationship in the 'details' key.")

    def table(self, name):
        for fresh in (False, True):
            catalog = self.cache.get(fresh)
            if name in catalog.tables:
                return catalog.tables[name]
        near = difflib.get_close_matches(name, catalog.tables, 1, 0.75)
        fail(404, "PGRST205", f"Could not find the table 'public.{name}' in the schema cache",
             hint=f"Perhaps you meant the table 'public.{near[0]}'" if near else None)

    # ---- the database

    def transaction(self, request, work, read_only=False):
        with self.database.connection() as connection, connection.transaction():
            if read_only:
                connection.execute("SET TRANSACTION READ ONLY")
            if self.database.has_roles and request.role in auth.ROLES:
                connection.execute(f"SET LOCAL ROLE {request.role}")
            if request.fault("57014") is not None:
                connection.execute("SET LOCAL statement_timeout = 1")
                connection.execute("SELECT pg_sleep(10)")
            return work(connection)

    def statement(self, request):
        cap = request.fault("row_cap")
        return sql.Statement(self.cache.get(), self.max_rows, cap and cap["rows"])

    @staticmethod
    def accepts_object(request):
        wanted = [part.split(";")[0].strip() for part in request.header("Accept", "*/*").split(",")]
        if OBJECT in wanted or "application/vnd.pgrst.object" in wanted:
            return True
        if not any(kind in JSON_TYPES for kind in wanted):
            fail(406, "PGRST107", "None of these media types are available: " + ", ".join(wanted))
        return False

    @staticmethod
    def window(request, options):
        """Narrows limit and offset by the Range header, which counts for GET and HEAD only."""
        if options.limit is not None and options.limit < 0:
            fail(416, "PGRST103", "Requested range not satisfiable", "Limit should be greater than or equal to zero.")
        found = re.fullmatch(r"(?:items=)?(\d+)-(\d*)", request.header("Range", "").strip())
        if not found or request.method not in ("GET", "HEAD"):
            return
        first = int(found.group(1))
        last = int(found.group(2)) if found.group(2) else None
        if last is not None and last < first:
            fail(416, "PGRST103", "Requested range not satisfiable",
                 "The lower boundary must be lower than or equal to the upper boundary in the Range header.")
        end = None if options.limit is None else options.offset + options.limit
        if last is not None:
            end = last + 1 if end is None else min(end, last + 1)
        options.offset = max(options.offset, first)
        options.limit = None if end is None else max(0, end - options.offset)

    def body_of(self, rows_sql, one):
        rows = f"json_agg(pgrst_rows){'->0' if one else ''}"
        empty = "null" if one else "[]"
        return f"SELECT count(*), coalesce({rows}, '{empty}')::text FROM ({rows_sql}) AS pgrst_rows"

    @staticmethod
    def singular(count):
        if count != 1:
            fail(406, "PGRST116", "JSON object requested, multiple (or no) rows returned",
                 f"The result contains {count} rows")

    @staticmethod
    def headers(request, prefs, content_range=None, body=True):
        headers = {"Content-Profile": "public"}
        if body:
            kind = OBJECT if Rest.accepts_object(request) else "application/json"
            headers["Content-Type"] = f"{kind}; charset=utf-8"
        if content_range:
            headers["Content-Range"] = content_range
        if prefs.applied:
            headers["Preference-Applied"] = prefs.applied
        return headers

    # ---- reading

    def read(self, request, table):
        prefs, asked = Preferences(request), query.Query(request.params)
        one = self.accepts_object(request)
        self.window(request, asked.options)
        statement = self.statement(request)
        source = f"public.{sql.ident(table.name)}"

        def work(connection):
            rows = statement.select(source, table.name, table.name, asked.fields, asked.options)
            return self.counted(connection, statement, prefs, rows, one, (source, table.name, table.name), asked)

        total, count, body = self.transaction(request, work, read_only=True)
        return self.page(request, prefs, asked.options.offset, total, count, body, one)

    def counted(self, connection, statement, prefs, rows, one, origin, asked):
        """Total, rows of the page and its JSON; `origin` is source, alias and table of the rows. An exact total is
        counted by the statement that reads the page."""
        page = self.body_of(rows, one)
        if not prefs.count:
            return None, *connection.execute(page, statement.values).fetchone()
        source, alias, table = origin
        values = list(statement.values)
        needed = [need for field in asked.fields if isinstance(field, query.Embed) and field.inner
                  for need in statement.embed(alias, table, field)[1]]
        where = statement.where(alias, asked.options.filters, needed)
        everything = f"SELECT 1 FROM {source} AS {sql.ident(alias)}{where}"
        if prefs.count != "exact":
            total = self.planned(connection, everything, statement.values)
            if prefs.count == "planned" or self.max_rows is not None and total > self.max_rows:
                return total, *connection.execute(page, values).fetchone()
        count, body, total = connection.execute(
            f"SELECT pgrst_page.*, (SELECT count(*) FROM ({everything}) AS pgrst_all) FROM ({page}) AS pgrst_page",
            statement.values).fetchone()
        return total, count, body

    @staticmethod
    def planned(connection, text, values):
        """How many rows the planner expects. EXPLAIN takes no parameters: the values go in as literals."""
        with psycopg.ClientCursor(connection) as cursor:
            literal = re.sub(r"\$(\d+)", lambda found: cursor.mogrify("%s", [values[int(found.group(1)) - 1]]), text)
        return connection.execute("EXPLAIN (FORMAT JSON) " + literal).fetchone()[0][0]["Plan"]["Plan Rows"]

    def page(self, request, prefs, offset, total, count, body, one):
        if one:
            self.singular(count)
        if total is not None and offset > total:
            fail(416, "PGRST103", "Requested range not satisfiable",
                 f"An offset of {offset} was requested, but there are only {total} rows.")
        reach = f"{offset}-{offset + count - 1}" if count and total != 0 else "*"
        status = 206 if total is not None and count < total else 200
        headers = self.headers(request, prefs, f"{reach}/{'*' if total is None else total}")
        return Response(status, body, headers)

    # ---- writing

    @staticmethod
    def payload(request):
        kind = request.header("Content-Type", "application/json").split(";")[0].strip().lower()
        if kind not in ("application/json", ""):
            fail(415, "PGRST107", f"Content-Type not acceptable: {kind}")
        try:
            text = request.body().decode()
            value = json.loads(text)
        except ValueError:
            fail(400, "PGRST102", "Empty or invalid json")
        return text, value

    def columns(self, table, asked, rows):
        """The columns to write: those asked for, else the keys, which must be the same in every row."""
        names = asked.columns
        if names is None:
            names = list(rows[0]) if rows else []
            if any(row.keys() != rows[0].keys() for row in rows):
                fail(400, "PGRST102", "All object keys must match")
        if any(name not in table.types for name in names):
            table = self.cache.get(fresh=True).tables.get(table.name, table)
        for name in names:
            if name not in table.types:
                fail(400, "PGRST204", f"Could not find the '{name}' column of '{table.name}' in the schema cache")
        return table, names

    @staticmethod
    def rows_of(value):
        rows = value if isinstance(value, list) else [value]
        if not all(isinstance(row, dict) for row in rows):
            fail(400, "PGRST102", "Empty or invalid json")
        return rows

    def insert(self, request, table):
        prefs, asked = Preferences(request), query.Query(request.params)
        text, value = self.payload(request)
        rows = self.rows_of(value)
        table, columns = self.columns(table, asked, rows)
        conflict = asked.on_conflict or table.primary
        if not rows or (isinstance(value, list) and not columns):
            body = "[]" if prefs.returns == "representation" else ""
            return Response(201, body, self.headers(request, prefs, "*/*", bool(body)))
        body = text if isinstance(value, list) else f"[{text}]"
        statement = sql.Statement(self.cache.get(), None)
        change = statement.insert(table, columns, body, conflict, prefs.resolution, prefs.missing_default)
        count, new, answer = self.write(request, prefs, asked, table, statement, change)
        status = 200 if prefs.resolution == "merge-duplicates" and new == 0 else 201
        reach = f"*/{count if prefs.count else '*'}"
        return self.written(request, prefs, status, reach, answer)

    def write(self, request, prefs, asked, table, statement, change):
        """Runs the change; reads what it returns when it is wanted. A violated `one object` rolls it back."""
        one = self.accepts_object(request)

        def work(connection):
            if prefs.returns != "representation":
                text = f"SELECT count(*), count(*) FILTER (WHERE pgrst_new), '' FROM pgrst_source"
                return connection.execute(f"WITH pgrst_source AS ({change}) {text}", statement.values).fetchone()
            # What it returns has all columns; filters are the change's own.
            options = query.Options(order=asked.options.order, limit=asked.options.limit, offset=asked.options.offset)
            fields = asked.fields
            if any(isinstance(field, query.Field) and field.name == "*" for field in fields):
                stars = [query.Field(name, []) for name in table.types]
                fields = stars + [field for field in fields if not (isinstance(field, query.Field) and field.name == "*")]
            rows = statement.select("pgrst_source", table.name, table.name, fields, options)
            text = (f"WITH pgrst_source AS ({change}) SELECT (SELECT count(*) FROM pgrst_source), "
                    f"(SELECT count(*) FROM pgrst_source WHERE pgrst_new), pgrst_body.* "
                    f"FROM ({self.body_of(rows, one)}) AS pgrst_body(pgrst_count, pgrst_text)")
            count, new, shown, body = connection.execute(text, statement.values).fetchone()
            if one:
                self.singular(shown)
            return count, new, body

        return self.transaction(request, work)

    def written(self, request, prefs, status, content_range, answer):
        body = prefs.returns == "representation"
        return Response(status, answer if body else "", self.headers(request, prefs, content_range, body))

    def guard(self, asked, verb):
        """Supabase loads pg-safeupdate for the API."""
        if not asked.options.filters:
            fail(400, "21000", f"{verb} requires a WHERE clause")

    def update(self, request, table):
        prefs, asked = Preferences(request), query.Query(request.params)
        text, value = self.payload(request)
        rows = self.rows_of(value)
        table, columns = self.columns(table, asked, rows[:1])
        full = prefs.returns == "representation"
        if not columns:
            return self.written(request, prefs, 200 if full else 204, "*/*", "[]")
        self.guard(asked, "UPDATE")
        statement = sql.Statement(self.cache.get(), None)
        body = json.dumps(rows[0], ensure_ascii=False) if isinstance(value, list) else text
        change = statement.update(table, columns, body, asked.options.filters)
        count, _, answer = self.write(request, prefs, asked, table, statement, change)
        reach = f"{f'0-{count - 1}' if count else '*'}/{count if prefs.count else '*'}"
        return self.written(request, prefs, 200 if full else 204, reach, answer)

    def delete(self, request, table):
        prefs, asked = Preferences(request), query.Query(request.params)
        self.guard(asked, "DELETE")
        statement = sql.Statement(self.cache.get(), None)
        change = statement.delete(table, asked.options.filters)
        count, _, answer = self.write(request, prefs, asked, table, statement, change)
        return self.written(request, prefs, 200 if prefs.returns == "representation" else 204,
                            f"*/{count if prefs.count else '*'}", answer)
