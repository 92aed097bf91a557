"""PostgREST's errors and preferences."""

import re

from .web import ApiError, Response

OBJECT = "application/vnd.pgrst.object+json"
JSON_TYPES = ("application/json", "application/vnd.pgrst.array+json", "application/vnd.pgrst.array", "*/*",
              "application/*")

# SQLSTATEs and their statuses, the longest prefix first; anything else is 400.
STATUSES = {"08": 503, "09": 500, "0L": 403, "0P": 403, "23503": 409, "23505": 409, "25006": 405, "25": 500, "28": 403,
            "2D": 500, "38": 500, "39": 500, "3B": 500, "40": 500, "53400": 500, "53": 503, "54": 500, "55": 500,
            "57P01": 503, "57": 500, "58": 500, "F0": 500, "HV": 500, "P0001": 400, "P0": 500, "XX": 500, "42883": 404,
            "42P01": 404, "42P17": 500}


def error(status, code, message, details=None, hint=None, headers=None):
    return Response.json(status, {"code": code, "details": details, "hint": hint, "message": message},
                         {"Proxy-Status": f"PostgREST; error={code}", **(headers or {})})


def fail(*args, **kwargs):
    raise ApiError(error(*args, **kwargs))


def sql_error(found, role):
    """PostgreSQL's error as PostgREST passes it on."""
    code, diag = found.sqlstate, found.diag
    if not code:
        return error(503, "PGRST001", "Database client error. Retrying the connection.", str(found).strip() or None)
    status = next((STATUSES[code[:size]] for size in (5, 2) if code[:size] in STATUSES), 400)
    if code == "42501":
        status = 401 if role == "anon" else 403
    if code == "21000" and not (diag.message_primary or "").endswith("requires a WHERE clause"):
        status = 500
    if re.fullmatch(r"PT\d{3}", code):
        status = int(code[2:])
    return error(status, code, diag.message_primary, diag.message_detail, diag.message_hint,
                 {"WWW-Authenticate": "Bearer"} if status == 401 else None)


class Preferences:
    KNOWN = {"return": ("minimal", "representation", "headers-only"), "count": ("exact", "planned", "estimated"),
             "resolution": ("merge-duplicates", "ignore-duplicates"), "missing": ("default", "null"),
             "handling": ("strict", "lenient"), "tx": ("commit", "rollback"), "params": ("single-object",)}

    def __init__(self, request):
        given = ",".join(request.headers.get_all("Prefer") or [])
        self.words = [word.strip() for word in given.split(",") if word.strip()]
        found = {}
        for word in self.words:
            name, _, value = word.partition("=")
            if value in self.KNOWN.get(name, ()):
                found.setdefault(name, value)
        self.returns = found.get("return", "minimal")
        self.count = found.get("count")
        self.resolution = found.get("resolution")
        self.missing_default = found.get("missing") == "default"
        self.applied = ", ".join(f"{name}={value}" for name, value in found.items()
                                 if name in ("resolution", "missing", "return", "count", "handling"))
        if found.get("handling") == "strict":
            wrong = [word for word in self.words if word.partition("=")[2] not in
                     self.KNOWN.get(word.partition("=")[0], ()) and not word.startswith(("timezone=", "max-affected="))]
            if wrong:
                fail(400, "PGRST122", "Invalid preferences given with handling=strict",
                     "Invalid preferences: " + ", ".join(wrong))
