"""Requests and responses, as the handlers see them."""

import json
import urllib.parse


class Reset(Exception):
    """The connection is to be reset, without (another byte of) an answer."""


class ClientGone(ConnectionError):
    """The client closed the connection before the end of its body."""


class ApiError(Exception):
    """An answer that is an error; raised anywhere below a handler."""

    def __init__(self, response):
        super().__init__(response.status)
        self.response = response


class Response:
    """A status, headers and a body: bytes, or a part of a file (path, offset, length)."""

    def __init__(self, status, body=b"", headers=None, file=None):
        self.status = status
        self.body = body.encode() if isinstance(body, str) else body
        self.headers = dict(headers or {})
        self.file = file

    @classmethod
    def json(cls, status, value, headers=None):
        body = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        return cls(status, body, {"Content-Type": "application/json; charset=utf-8", **(headers or {})})

    @property
    def length(self):
        return self.file[2] if self.file else len(self.body)

    def chunks(self, size=65536):
        if not self.file:
            for start in range(0, len(self.body), size):
                yield self.body[start:start + size]
            return
        path, offset, left = self.file
        with open(path, "rb") as stream:
            stream.seek(offset)
            while left > 0:
                chunk = stream.read(min(size, left))
                if not chunk:
                    return
                left -= len(chunk)
                yield chunk


class BodyStream:
    """A request's body, plain or chunked. `reset_after` is a fault: the connection breaks after so many bytes."""

    def __init__(self, source, length, chunked):
        self.source = source
        self.length = length
        self.chunked = chunked
        self.left = 0 if chunked else length
        self.ended = not chunked and length == 0
        self.received = 0
        self.reset_after = None

    def read(self, size=65536):
        """At most `size` bytes; b"" at the end."""
        if self.reset_after is not None:
            if self.received >= self.reset_after:
                raise Reset
            size = min(size, self.reset_after - self.received)
        if self.chunked and self.left == 0 and not self.ended:
            self._next_chunk()
        if self.ended:
            return b""
        data = self.source.read1(min(size, self.left))
        if not data:
            raise ClientGone("the body ended early")
        self.left -= len(data)
        self.received += len(data)
        if self.left == 0:
            if self.chunked:
                self.source.readline()
            else:
                self.ended = True
        return data

    def _next_chunk(self):
        line = self.source.readline(1024)
        try:
            self.left = int(line.split(b";")[0], 16)
        except ValueError:
            raise ClientGone("a chunk without a size") from None
        if self.left == 0:
            while self.source.readline(8192).strip():
                pass
            self.ended = True

    def read_all(self):
        parts = []
        while part := self.read():
            parts.append(part)
        return b"".join(parts)


class HeldBody:
    """A body that has arrived whole."""

    chunked = False

    def __init__(self, data):
        self.data = data
        self.length = self.received = len(data)
        self.at = 0
        self.reset_after = None

    def read(self, size=65536):
        if self.reset_after is not None:
            if self.at >= self.reset_after:
                raise Reset
            size = min(size, self.reset_after - self.at)
        part = self.data[self.at:self.at + size]
        self.at += len(part)
        return part


class Request:
    def __init__(self, method, target, headers, stream):
        self.method = method
        self.target = target
        path, _, self.query = target.partition("?")
        self.path = urllib.parse.unquote(path)
        self.raw_path = path
        self.headers = headers
        self.stream = stream
        self.faults = []
        self.role = None

    def header(self, name, default=None):
        return self.headers.get(name, default)

    @property
    def params(self):
        return urllib.parse.parse_qsl(self.query, keep_blank_values=True)

    def body(self):
        """All of the body; the stream can be read from its start after this all the same."""
        if not isinstance(self.stream, HeldBody):
            self.stream = HeldBody(self.stream.read_all())
        return self.stream.data

    def fault(self, name):
        """The arguments of the fault of that name when it befell this request, else None."""
        for rule in self.faults:
            if rule.fault == name:
                return rule.args
        return None
