"""Reads PostgREST's query strings: select, filters, order, limit and offset."""

import dataclasses
import re

OPERATORS = {"eq": "=", "neq": "<>", "gt": ">", "gte": ">=", "lt": "<", "lte": "<=", "like": "LIKE", "ilike": "ILIKE",
             "match": "~", "imatch": "~*", "cs": "@>", "cd": "<@", "ov": "&&", "isdistinct": "IS DISTINCT FROM",
             "in": "IN", "is": "IS"}
RESERVED = {"select", "order", "limit", "offset", "and", "or", "not.and", "not.or", "columns", "on_conflict", "apikey"}


class QueryError(Exception):
    """A query string that cannot be read (PGRST100)."""

    def __init__(self, message, details=None):
        super().__init__(message)
        self.message = message
        self.details = details


class Aggregate(Exception):
    """A sum, count …: PostgREST has them switched off unless told otherwise (PGRST123)."""


@dataclasses.dataclass
class Field:
    name: str
    path: list
    alias: str | None = None
    cast: str | None = None


@dataclasses.dataclass
class Embed:
    name: str
    alias: str | None
    hint: str | None
    inner: bool
    spread: bool
    fields: list
    options: "Options" = None


@dataclasses.dataclass
class Condition:
    column: str
    path: list
    negated: bool
    operator: str
    value: object  # text; a list for `in`


@dataclasses.dataclass
class Logic:
    operator: str  # AND, OR
    negated: bool
    items: list


@dataclasses.dataclass
class Options:
    """What applies to one level: filters, order, limit, offset."""

    filters: list = dataclasses.field(default_factory=list)
    order: list = dataclasses.field(default_factory=list)
    limit: int | None = None
    offset: int = 0


class Reader:
    """Walks over a text, one character ahead."""

    def __init__(self, text, what):
        self.text, self.what, self.at = text, what, 0

    def peek(self, token):
        return self.text.startswith(token, self.at)

    def take(self, token):
        if self.peek(token):
            self.at += len(token)
            return True
        return False

    def expect(self, token):
        if not self.take(token):
            self.fail(f'expecting "{token}"')

    def fail(self, expecting):
        found = f'unexpected "{self.text[self.at]}"' if self.at < len(self.text) else "unexpected end of input"
        raise QueryError(f'"failed to parse {self.what} ({self.text})" (line 1, column {self.at + 1})',
                         f"{found} {expecting}")

    def done(self):
        return self.at >= len(self.text)

    def quoted(self):
        """The rest of a "quoted" text, with \\ as escape."""
        out = []
        while not self.done():
            char = self.text[self.at]
            self.at += 1
            if char == '"':
                return "".join(out)
            if char == "\\" and not self.done():
                char = self.text[self.at]
                self.at += 1
            out.append(char)
        self.fail('expecting "')

    def name(self, stops):
        """A name, quoted or up to one of the stops (regular expression)."""
        if self.take('"'):
            return self.quoted()
        found = re.compile(rf"(?:(?!{stops}).)+", re.S).match(self.text, self.at)
        if not found:
            self.fail("expecting field name (* or [a..z0..9_$])")
        self.at = found.end()
        return found.group().strip()

    def json_path(self, stops):
        path = []
        while self.peek("->"):
            arrow = "->>" if self.take("->>") else "->" if self.take("->") else ""
            path.append((arrow, self.name(stops)))
        return path


NAME_STOPS = r"[,():!]|->|::"


def parse_select(text):
    reader = Reader(text, "select parameter")
    fields = _fields(reader)
    if not reader.done():
        reader.fail("expecting end of input")
    return fields


def _fields(reader):
    fields = []
    while not reader.done() and not reader.peek(")"):
        fields.append(_field(reader))
        if not reader.take(","):
            break
    return fields


def _field(reader):
    spread = reader.take("...")
    name, alias = reader.name(NAME_STOPS), None
    if reader.peek(":") and not reader.peek("::"):
        reader.take(":")
        alias, name = name, reader.name(NAME_STOPS)
    hint, inner = None, False
    while reader.take("!"):
        word = reader.name(NAME_STOPS)
        if word == "inner":
            inner = True
        elif word != "left":
            hint = word
    if reader.take("("):
        fields = _fields(reader)
        reader.expect(")")
        if not fields and re.fullmatch(r"(.*\.)?(count|sum|avg|min|max)", name):
            raise Aggregate(name)
        return Embed(name, alias, hint, inner, spread, fields, Options())
    path = reader.json_path(NAME_STOPS)
    cast = reader.name(r"[,()]") if reader.take("::") else None
    return Field(name, path, alias, cast)


def parse_list(text):
    """Names of a comma separated list (columns, on_conflict)."""
    reader, names = Reader(text, "columns parameter"), []
    while not reader.done():
        names.append(reader.name(","))
        if not reader.take(","):
            break
    return names


def parse_order(text):
    reader, terms = Reader(text, "order"), []
    while not reader.done():
        column = reader.name(r"[,.]|->")
        path = reader.json_path(r"[,.]|->")
        words = []
        while reader.take("."):
            words.append(reader.name("[,.]"))
        direction, nulls = "", ""
        for word in words:
            if word in ("asc", "desc") and not direction and not nulls:
                direction = " " + word.upper()
            elif word in ("nullsfirst", "nullslast") and not nulls:
                nulls = " NULLS " + word[5:].upper()
            else:
                raise QueryError(f'"failed to parse order ({text})" (line 1, column 1)',
                                 f'unexpected "{word}" expecting "asc", "desc", "nullsfirst" or "nullslast"')
        terms.append((column, path, direction + nulls))
        if not reader.take(","):
            break
    if not reader.done():
        reader.fail('expecting "," or end of input')
    return terms


def _in_list(reader):
    reader.expect("(")
    values = []
    if reader.take(")"):
        return values
    while True:
        if reader.take('"'):
            values.append(reader.quoted())
        else:
            found = re.compile("[^,)]*").match(reader.text, reader.at)
            reader.at = found.end()
            values.append(found.group())
        if not reader.take(","):
            break
    reader.expect(")")
    return values


def _operation(reader, nested):
    """`[not.]operator.value`; inside a logic tree the value ends at a comma or a parenthesis."""
    negated = reader.take("not.")
    found = re.compile(r"([a-z]+)\.").match(reader.text, reader.at)
    if not found or found.group(1) not in OPERATORS:
        reader.fail('expecting "not" or operator (eq, gt, ...)')
    reader.at = found.end()
    operator = found.group(1)
    if operator == "in":
        value = _in_list(reader)
    elif not nested:
        value, reader.at = reader.text[reader.at:], len(reader.text)
    elif reader.take('"'):
        value = reader.quoted()
    else:
        found = re.compile(r"\{[^}]*\}|[^,)]*").match(reader.text, reader.at)
        value, reader.at = found.group(), found.end()
    if operator == "is":
        value = value.lower()
        if value not in ("null", "not_null", "true", "false", "unknown"):
            raise QueryError(f'"failed to parse filter (is.{value})" (line 1, column 4)',
                             f'unexpected "{value[:1]}" expecting isVal: (null, not_null, true, false, unknown)')
    return negated, operator, value


def parse_filter(column, text):
    reader = Reader(column, "filter")
    name = reader.name("->")
    path = reader.json_path("->")
    reader = Reader(text, "filter")
    negated, operator, value = _operation(reader, False)
    if not reader.done():
        reader.fail("expecting end of input")
    return Condition(name, path, negated, operator, value)


def parse_logic(key, text):
    negated = key.startswith("not.")
    reader = Reader(text, "logic tree")
    logic = _logic(reader, key.removeprefix("not."), negated)
    if not reader.done():
        reader.fail("expecting end of input")
    return logic


def _logic(reader, operator, negated):
    reader.expect("(")
    items = []
    while True:
        found = re.compile(r"(not\.)?(and|or)(?=\()").match(reader.text, reader.at)
        if found:
            reader.at = found.end()
            items.append(_logic(reader, found.group(2), bool(found.group(1))))
        else:
            column = reader.name(r"[.,()]|->")
            path = reader.json_path(r"[.,()]|->")
            reader.expect(".")
            items.append(Condition(column, path, *_operation(reader, True)))
        if not reader.take(","):
            break
    reader.expect(")")
    return Logic(operator.upper(), negated, items)


def _number(name, text):
    if not re.fullmatch(r"-?\d+", text):
        raise QueryError(f'"failed to parse {name} parameter ({text})" (line 1, column 1)', "expecting a number")
    return int(text)


class Query:
    """A request's parameters. `arguments` takes the ones that are a function's, when called by GET."""

    def __init__(self, params, arguments=()):
        given = dict(params)
        self.fields = parse_select(given["select"]) if given.get("select") else [Field("*", [])]
        self.columns = parse_list(given["columns"]) if "columns" in given else None
        self.on_conflict = parse_list(given["on_conflict"]) if given.get("on_conflict") else None
        self.options = Options()
        for key, value in params:
            if key in arguments or key in ("select", "columns", "on_conflict", "apikey"):
                continue
            *way, last = self._split(key)
            self._apply(self._level(way), last, value)

    @staticmethod
    def _split(key):
        """`video_tags.tags.name` in its parts; `not.and` stays one."""
        found = re.match(r"(?:(.*)\.)?(not\.(?:and|or))$", key)
        if found:
            return [*(found.group(1).split(".") if found.group(1) else []), found.group(2)]
        reader, parts = Reader(key, "filter"), []
        while not reader.done():
            start = reader.at
            reader.name(r"\.|->")
            while reader.peek("->"):
                reader.json_path(r"\.|->")
            parts.append(reader.text[start:reader.at])
            if not reader.take("."):
                break
        return parts or [key]

    def _level(self, way):
        fields, options = self.fields, self.options
        for name in way:
            name = name.strip('"')
            embed = next((field for field in fields if isinstance(field, Embed) and name in (field.alias, field.name)),
                         None)
            if embed is None:
                raise NotEmbedded(name)
            fields, options = embed.fields, embed.options
        return options

    @staticmethod
    def _apply(options, key, value):
        if key == "order":
            options.order = parse_order(value)
        elif key == "limit":
            options.limit = _number(key, value)
        elif key == "offset":
            options.offset = max(0, _number(key, value))
        elif key in RESERVED:
            options.filters.append(parse_logic(key, value))
        else:
            options.filters.append(parse_filter(key, value))


class NotEmbedded(Exception):
    """A filter on a resource that the select does not embed (PGRST108)."""
