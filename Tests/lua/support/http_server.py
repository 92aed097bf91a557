"""A web server for http_test.lua and json_suite_test.lua, on the standard library alone. Prints its port, and ends when nobody reads that pipe.

    /echo            the request as JSON
    /mirror          the request's body as it came
    /status/N        an answer of that status
    /flaky/N/NAME    503 for the first N requests of this path, then 200
    /busy            503 that asks to come back in a minute
    /data/N          N bytes, gzipped
    /short           a body that ends before its time
    /interim/N       an answer of that status alone, which announces another one, and no more
    /upgrade         another protocol
    /redirect?URL    to that place
    /hang            nothing
    /asked/NAME      how many requests of /NAME have come, and, but for those that hang, have been answered
"""

import gzip
import http.server
import json
import os
import select
import sys
import threading

counts = {}
asked = {}
lock = threading.Lock()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def note(self, path):
        with lock:
            asked[path] = asked.get(path, 0) + 1

    def handle_any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path, _, query = self.path.partition("?")
        parts = path.strip("/").split("/")
        if parts[0] == "status":
            self.answer(int(parts[1]), b"status " + parts[1].encode())
        elif parts[0] == "mirror":
            self.answer(200, body, Content_Type="application/json")
        elif parts[0] == "flaky":
            with lock:
                counts[path] = counts.get(path, 0) + 1
                bad = counts[path] <= int(parts[1])
            self.answer(503, b"not yet") if bad else self.answer(200, b"at last")
        elif parts[0] == "busy":
            self.answer(503, Retry_After="60")
            self.note(path)
        elif parts[0] == "data":
            self.answer(200, gzip.compress(bytes(i * 31 % 256 for i in range(int(parts[1])))), Content_Encoding="gzip")
        elif parts[0] == "short":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nnot all")
            self.close_connection = True
        elif parts[0] == "interim":
            self.wfile.write(b"HTTP/1.1 " + parts[1].encode() + b" Wait\r\n\r\n")
            self.close_connection = True
        elif parts[0] == "upgrade":
            self.wfile.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\nwords of it")
            self.close_connection = True
        elif parts[0] == "redirect":
            self.answer(302, Location=query)
        elif parts[0] == "hang":
            self.note(path)
            self.rfile.read(1)
        elif parts[0] == "asked":
            with lock:
                self.answer(200, b"%d" % asked.get("/" + parts[1], 0))
        else:
            echo = {
                "method": self.command,
                "target": self.path,
                "headers": {name.lower(): value for name, value in self.headers.items()},
                "body": body.decode("latin-1"),
            }
            self.answer(200, json.dumps(echo).encode(), Content_Type="application/json")

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = handle_any


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, address):
        pass  # a client that leaves is no news


server = Server(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
poll = select.poll()
poll.register(sys.stdout, 0)
poll.poll()
os._exit(0)
