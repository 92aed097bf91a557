"""/rest/v1/rpc: functions of schema public, called with named arguments."""

import difflib
import json

from . import query, sql
from .answers import Preferences, fail
from .web import Response


def find(rest, name, given):
    """The one function of that name that takes these arguments."""
    for fresh in (False, True):
        catalog = rest.cache.get(fresh)
        fits = [function for function in catalog.functions.get(name, [])
                if set(given) <= set(function.arguments) and set(function.required) <= set(given)]
        if fits:
            break
    if len(fits) > 1:
        listed = ", ".join(f"public.{name}({', '.join(f'{a} => {t}' for a, t in function.arguments.items())})"
                           for function in fits)
        fail(300, "PGRST203", f"Could not choose the best candidate function between: {listed}", None,
             "Try renaming the parameters or the function itself in the database so function overloading can be resolved")
    if fits:
        return fits[0]
    names = ", ".join(sorted(given))
    near = difflib.get_close_matches(name, catalog.functions, 1, 0.75)
    hint = None
    if near:
        wanted = ", ".join(catalog.functions[near[0]][0].arguments)
        hint = f"Perhaps you meant to call the function public.{near[0]}" + (f"({wanted})" if wanted else "")
    plural = "s" if len(given) > 1 else ""
    told = f" with parameter{plural} {names}" if given else " without parameters"
    single = " or with a single unnamed json/jsonb parameter" if given else ""
    fail(404, "PGRST202", f"Could not find the function public.{name}"
         f"{f'({names})' if given else ' without parameters'} in the schema cache",
         f"Searched for the function public.{name}{told}{single}, but no matches were found in the schema cache.", hint)


def arguments(rest, request, name):
    """Named arguments and the rest of the query string: by GET both stand in it, by POST the body has the arguments."""
    if request.method == "POST":
        if not request.body().strip():
            return {}, ()
        _, value = rest.payload(request)
        if not isinstance(value, dict):
            fail(400, "PGRST102", "Empty or invalid json")
        return value, ()
    known = {argument for function in rest.cache.get().functions.get(name, []) for argument in function.arguments}
    given = {key: value for key, value in request.params if key not in query.RESERVED}
    # A parameter that is no argument is a filter of the result, when it looks like one.
    given = {key: value for key, value in given.items()
             if key in known or "." not in value or value.split(".")[0] not in {*query.OPERATORS, "not"}}
    return given, tuple(given)


def call(rest, request, name):
    if request.method not in ("GET", "HEAD", "POST"):
        fail(405, "PGRST101", f"Cannot use the {request.method} method on RPC")
    prefs, one = Preferences(request), rest.accepts_object(request)
    given, keys = arguments(rest, request, name)
    function = find(rest, name, given)
    asked = query.Query(request.params, keys)
    rest.window(request, asked.options)
    statement = rest.statement(request)
    invoked = f"public.{sql.ident(name)}"
    if given:
        types = ", ".join(f"{sql.ident(key)} {function.arguments[key]}" for key in given)
        passed = ", ".join(f"{sql.ident(key)} := pgrst_args.{sql.ident(key)}" for key in given)
        body = json.dumps(given, ensure_ascii=False)
        source = (f"(SELECT pgrst_call.* FROM json_to_record({statement.bind(body)}::json) AS pgrst_args({types}), "
                  f"LATERAL {invoked}({passed}) AS pgrst_call)")
    else:
        source = f"(SELECT pgrst_call.* FROM {invoked}() AS pgrst_call)"
    read_only = request.method != "POST" or not function.volatile
    if not function.composite:
        return scalar(rest, request, prefs, function, statement, source, read_only)

    def work(connection):
        rows = statement.select(source, name, function.table or name, asked.fields, asked.options)
        if not function.returns_set:
            prefs.count = None
        return rest.counted(connection, statement, prefs, rows, one or not function.returns_set,
                            (source, name, function.table or name), asked)

    total, count, body = rest.transaction(request, work, read_only)
    return rest.page(request, prefs, asked.options.offset, total, count, body, one)


def scalar(rest, request, prefs, function, statement, source, read_only):
    if function.void:
        rest.transaction(request, lambda connection: connection.execute(f"SELECT 1 FROM {source} AS x", statement.values),
                         read_only)
        return Response(204, "", rest.headers(request, prefs, body=False))
    limit = statement.tail("pgrst_source", query.Options(), True) if function.returns_set else ""
    pick, empty = ("", "[]") if function.returns_set else ("->0", "null")
    text = (f"SELECT count(*), coalesce(json_agg(pgrst_scalar){pick}, '{empty}')::text "
            f"FROM (SELECT * FROM {source} AS pgrst_source{limit}) AS pgrst_rows(pgrst_scalar)")
    count, body = rest.transaction(
        request, lambda connection: connection.execute(text, statement.values).fetchone(), read_only)
    if function.returns_set:
        return rest.page(request, prefs, 0, None, count, body, rest.accepts_object(request))
    return Response(200, body, rest.headers(request, prefs, "0-0/*"))
