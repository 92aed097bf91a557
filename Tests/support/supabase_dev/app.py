"""The HTTP server: reads requests, asks a service, sends the answer, and misbehaves where a rule says so."""

import gzip
import http.server
import json
import socket
import socketserver
import struct
import sys
import threading
import time
import traceback

from . import answers, storage as storage_module
from .faults import BadRule
from .web import ApiError, BodyStream, ClientGone, Request, Reset, Response

LOG_LIMIT = 200_000


class Log:
    """What was asked: no values of headers, and no key that came in the query string."""

    def __init__(self):
        self.lock = threading.Lock()
        self.entries = []

    def add(self, entry):
        with self.lock:
            if len(self.entries) < LOG_LIMIT:
                self.entries.append(entry)

    def clear(self):
        with self.lock:
            self.entries.clear()

    def shown(self):
        with self.lock:
            return list(self.entries)


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 256

    def __init__(self, port, rest, storage, faults, compress):
        super().__init__(("127.0.0.1", port), Handler)
        self.rest = rest
        self.storage = storage
        self.faults = faults
        self.compress = compress
        self.log = Log()

    def handle_error(self, request, client_address):
        kind = sys.exc_info()[0]
        if not issubclass(kind, (ConnectionError, TimeoutError, ValueError)):
            traceback.print_exc()

    def answer(self, request):
        if request.path.startswith("/_dev/"):
            return self.control(request)
        try:
            response = self.faults.before(request)
            if response is not None:
                return response
            if request.path.startswith("/rest/v1"):
                return self.rest.handle(request)
            if request.path.startswith("/storage/v1"):
                return self.storage.handle(request)
            return Response.json(404, {"message": "no Route matched with those values"})
        except ApiError as bad:
            return bad.response
        except (Reset, ClientGone):
            raise
        except Exception:  # a defect of this server is to be seen, and not to look like a transfer error
            traceback.print_exc()
            if request.path.startswith("/storage/"):
                return storage_module.error(500, "Internal", "Internal Server Error")
            return answers.error(500, "XX000", "defect of the development server, see its log")

    def control(self, request):
        name, method = request.path.removeprefix("/_dev/"), request.method
        if name == "health":
            return Response.json(200, {"ok": True})
        if name == "faults":
            if method in ("POST", "PUT"):
                try:
                    self.faults.set(json.loads(request.body()))
                except (BadRule, ValueError) as bad:
                    return Response.json(400, {"message": str(bad)})
            elif method == "DELETE":
                self.faults.set([])
            return Response.json(200, self.faults.shown())
        if name == "requests":
            if method == "DELETE":
                self.log.clear()
            return Response.json(200, self.log.shown())
        return Response.json(404, {"message": "there are /_dev/health, /_dev/faults and /_dev/requests"})


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    rbufsize = 1 << 16

    def log_message(self, *args):
        pass

    def handle_expect_100(self):
        # The interim answer is sent when the body is read: at once, as every service here reads it.
        self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return True

    def serve(self):
        chunked = "chunked" in self.headers.get("Transfer-Encoding", "").lower()
        stream = BodyStream(self.rfile, int(self.headers.get("Content-Length") or 0), chunked)
        request = Request(self.command, self.path, self.headers, stream)
        started, status, noted = time.monotonic(), 0, None

        # Before the last byte leaves: who has the answer finds the request in the log.
        def note():
            nonlocal noted
            if noted is None and not request.path.startswith("/_dev/"):
                noted = self.note(request, stream, status, started)

        try:
            if not request.path.startswith("/_dev/"):
                self.server.faults.strike(request)
            response = self.server.answer(request)
            status = response.status
            if request.fault("applied_then_reset") is not None:
                raise Reset
            self.drain(request)
            note()
            sent = self.send(request, response)
            if noted is not None:
                noted.update(bytes=sent, seconds=round(time.monotonic() - started, 4))
        except Reset:
            note()
            self.reset()
        except (ClientGone, ConnectionError, TimeoutError):
            self.close_connection = True
        finally:
            note()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = serve

    def note(self, request, stream, status, started):
        query = "&".join(part for part in request.query.split("&") if not part.startswith("apikey="))
        entry = {
            "method": request.method, "path": request.path, "query": query, "status": status, "bytes": 0,
            "request_bytes": stream.received, "seconds": round(time.monotonic() - started, 4), "time": time.time(),
            "headers": [name.lower() for name in request.headers.keys()],
            "faults": [rule.fault for rule in request.faults]}
        self.server.log.add(entry)
        return entry

    @staticmethod
    def drain(request):
        while request.stream.read(1 << 20):
            pass

    def reset(self):
        """An RST instead of a FIN: the peer sees `connection reset`."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # The handler's files hold the socket open; the linger option takes effect at the last close.
        self.rfile.close()
        self.connection.close()

    def send(self, request, response):
        self.compress(request, response)
        total, cut = response.length, None
        if (args := request.fault("short_length")) is not None:
            cut = max(0, total - args.get("missing", max(1, total // 2)))
            self.close_connection = True
        fault = request.fault("reset")
        if fault is not None:
            cut = min(total, fault.get("after_bytes", total // 2))
        slow = request.fault("slow") or {}
        time.sleep(slow.get("delay_s", 0))
        self.send_response_only(response.status)
        self.send_header("Date", self.date_time_string())
        for name, value in response.headers.items():
            self.send_header(name, value)
        if response.status not in (204, 304):
            self.send_header("Content-Length", str(total))
        if self.close_connection:
            self.send_header("Connection", "close")
        head = b"".join(self._headers_buffer) + b"\r\n"
        self._headers_buffer = []
        if request.method == "HEAD" or response.status in (204, 304) or total == 0:
            self.connection.sendall(head if cut is None else head[:len(head) // 2])
            sent = 0
        else:
            sent = self.send_body(response, head, cut, slow.get("bytes_per_s"))
        if fault is not None:
            time.sleep(0.05)  # what was sent is to arrive before the reset
            raise Reset
        return sent

    def send_body(self, response, head, cut, rate):
        step = max(1, int(rate / 10)) if rate else 1 << 16
        left, sent = response.length if cut is None else cut, 0
        if left == 0:
            self.connection.sendall(head)
            return 0
        for chunk in response.chunks(step):
            chunk = chunk[:left]
            self.connection.sendall(head + chunk)
            head, left, sent = b"", left - len(chunk), sent + len(chunk)
            if left <= 0:
                break
            if rate:
                time.sleep(len(chunk) / rate)
        return sent

    def compress(self, request, response):
        """The gateway compresses JSON for those who accept it; Storage's objects go as they are."""
        wanted = "gzip" in request.header("Accept-Encoding", "")
        if not self.server.compress or not wanted or response.file or not request.path.startswith("/rest/"):
            return
        if len(response.body) < 1024 or "json" not in response.headers.get("Content-Type", ""):
            return
        response.body = gzip.compress(response.body, 1)
        response.headers.update({"Content-Encoding": "gzip", "Vary": "Accept-Encoding"})
