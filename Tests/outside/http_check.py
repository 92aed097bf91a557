"""Checks tt.http against servers that are not ours: Python's http.server and ssl with certificates made here, an HTTP
proxy, and nghttpd for HTTP/2.

    python Tests/outside/http_check.py --tt PATH_TO_TT

Needs the standard library and the `openssl` command; without nghttpd (Debian: nghttp2-server) the checks of HTTP/2 are
skipped aloud. Prints a line per check and a closing line; exit status 1 when one failed.
"""

import email.utils
import gzip
import hashlib
import http.client
import http.server
import json
import os
import pathlib
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

import common

SMALL_REQUESTS = 2000


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *arguments):
        pass

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def handle_any(self):
        digest, left = hashlib.sha256(), int(self.headers.get("Content-Length") or 0)
        while left:
            piece = self.rfile.read(min(left, 1 << 16))
            if not piece:
                return
            digest.update(piece)
            left -= len(piece)
        self.server.log.append((self.command, self.path, dict(self.headers), self.client_address[1]))
        path = urllib.parse.urlsplit(self.path).path
        if path == "/later" and len([1 for _, seen, _, _ in self.server.log if seen == self.path]) == 1:
            # Two seconds from now, rounded up: an HTTP date has whole seconds.
            self.answer(503, Retry_After=email.utils.formatdate(int(time.time()) + 2, usegmt=True))
        elif path == "/gzip":
            self.answer(200, gzip.compress(bytes(range(256)) * 4000), Content_Encoding="gzip")
        elif path == "/digest":
            self.answer(200, digest.hexdigest().encode())
        else:
            self.answer(200, json.dumps({"path": self.path}).encode(), Content_Type="application/json")

    do_GET = do_POST = do_PUT = handle_any


class Proxy(http.server.BaseHTTPRequestHandler):
    """Forwards plain requests and makes tunnels."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def do_CONNECT(self):
        self.server.log.append((self.command, self.path, dict(self.headers), self.client_address[1]))
        host, port = self.path.rsplit(":", 1)
        there = socket.create_connection((host, int(port)))
        self.wfile.write(b"HTTP/1.1 200 Connection established\r\nX-Proxy: 1\r\n\r\n")

        def copy(source, target):
            try:
                while piece := source.recv(1 << 16):
                    target.sendall(piece)
                target.shutdown(socket.SHUT_WR)
            except OSError:
                pass

        back = threading.Thread(target=copy, args=(there, self.connection), daemon=True)
        back.start()
        copy(self.connection, there)
        back.join()
        there.close()
        self.close_connection = True

    def do_GET(self):
        self.server.log.append((self.command, self.path, dict(self.headers), self.client_address[1]))
        url = urllib.parse.urlsplit(self.path)
        there = http.client.HTTPConnection(url.netloc)
        there.request("GET", url.path or "/", headers={"Host": url.netloc})
        answer = there.getresponse()
        body = answer.read()
        self.send_response(answer.status)
        self.send_header("X-Proxy", "1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, handler, context=None):
        super().__init__(("127.0.0.1", 0), handler)
        self.log = []
        self.context = context
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def finish_request(self, request, address):
        # The handshake runs on the connection's own thread, so that one that fails holds nobody up.
        if self.context:
            request = self.context.wrap_socket(request, server_side=True)
        super().finish_request(request, address)

    def handle_error(self, request, address):
        pass  # refused handshakes are what is tested

    @property
    def url(self):
        return f"{'https' if self.context else 'http'}://127.0.0.1:{self.server_port}"


def make_certificates(folder):
    """Two authorities, and certificates by the first for this machine and for another host."""

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=folder)

    for name in ("ca", "other"):
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.pem",
                "-days", "2", "-subj", f"/CN=tt test {name}", "-addext", "basicConstraints=critical,CA:TRUE")
    for name, names in (("here", "IP:127.0.0.1,DNS:localhost"), ("elsewhere", "DNS:elsewhere.example")):
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr",
                "-subj", "/CN=tt test")
        (folder / f"{name}.ext").write_text(f"subjectAltName={names}\n")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                "-out", f"{name}.pem", "-days", "2", "-extfile", f"{name}.ext")
    hashed = subprocess.run(["openssl", "x509", "-hash", "-noout", "-in", "ca.pem"], check=True, capture_output=True,
                            text=True, cwd=folder).stdout.strip()
    (folder / "hashed").mkdir()
    shutil.copy(folder / "ca.pem", folder / "hashed" / f"{hashed}.0")


def context_of(folder, name):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    return context


class TT:
    """Runs Lua code in tt, with none of this process's proxies and certificates."""

    def __init__(self, path):
        self.path = path
        names = {"http_proxy", "https_proxy", "all_proxy", "no_proxy", "ssl_cert_file", "ssl_cert_dir",
                 "curl_ca_bundle"}
        self.environment = {name: value for name, value in os.environ.items() if name.lower() not in names}

    def __call__(self, code, **environment):
        """What the code prints, read as JSON; or the code and text of its error."""
        script = ("local ok, result = pcall(function() " + code + " end)\n"
                  "if not ok then result = {code = result.code, message = result.message, details = result.details} end\n"
                  "print(tt.json.encode(result))")
        done = subprocess.run([self.path, "-e", script], capture_output=True, text=True, timeout=600,
                              env={**self.environment, **environment})
        if done.returncode != 0:
            return {"code": f"status {done.returncode}", "message": done.stdout + done.stderr}
        return json.loads(done.stdout)


def check_tls(check, tt, folder):
    server = Server(Handler, context_of(folder, "here"))
    ca, other = str(folder / "ca.pem"), str(folder / "other.pem")
    get = f"return tt.http.get('{server.url}/x').status"

    def refused(name, result, code="http.tls"):
        check(name, isinstance(result, dict) and result["code"] == code and result["details"]["attempts"] == 1, result)

    refused("TLS: an unknown authority is refused, without a retry", tt(get))
    check("TLS: nothing was sent to it", server.log == [], server.log)
    check("TLS: trusted by SSL_CERT_FILE", tt(get, SSL_CERT_FILE=ca) == 200)
    check("TLS: trusted by CURL_CA_BUNDLE", tt(get, CURL_CA_BUNDLE=ca) == 200)
    check("TLS: trusted by SSL_CERT_DIR", tt(get, SSL_CERT_DIR=str(folder / "hashed")) == 200)
    option = f"return tt.http.get('{server.url}/x', {{ca_file = '%s'}}).status"
    check("TLS: trusted by option", tt(option % ca) == 200)
    check("TLS: the option goes before the environment",
          tt(option % ca, CURL_CA_BUNDLE=other, SSL_CERT_FILE=other) == 200)
    refused("TLS: a file that is named is the only one", tt(get, SSL_CERT_FILE=other))
    refused("TLS: the option alone counts", tt(option % other, SSL_CERT_FILE=ca, SSL_CERT_DIR=str(folder / "hashed")))
    refused("TLS: a missing file is an error", tt(option % "/no/such.pem"))
    check("TLS: by name as well as by address", tt(
        f"return tt.http.get('https://localhost:{server.server_port}/x', {{ca_file = '{ca}'}}).status") == 200)
    elsewhere = Server(Handler, context_of(folder, "elsewhere"))
    refused("TLS: a certificate of another host is refused",
            tt(f"return tt.http.get('{elsewhere.url}/x', {{ca_file = '{ca}'}}).status"))
    plain = Server(Handler)
    result = tt(f"return tt.http.get('https://127.0.0.1:{plain.server_port}/', {{connect_timeout_s = 20}}).status")
    check("TLS: a server that does not speak it is an error", result["code"] in ("http.tls", "http.connect"), result)
    before = len(server.log)
    count = tt(f"""local c <close> = tt.http.client{{base_url = '{server.url}', ca_file = '{ca}'}} local n = 0
        local requests = {{}} for i = 1, 100 do requests[i] = {{url = '/' .. i}} end
        for _, r in c:each(requests, {{parallel = 4}}) do if r.ok then n = n + 1 end end return n""")
    ports = {port for _, _, _, port in server.log[before:]}
    check("TLS: 100 requests over at most 4 connections", count == 100 and len(ports) <= 4, (count, len(ports)))


def check_bodies(check, tt, folder):
    server = Server(Handler)
    big = folder / "big"
    with big.open("wb") as file:
        for i in range(48):
            file.write(hashlib.sha256(str(i).encode()).digest() * (1 << 15))
    content = big.read_bytes()
    sent = tt(f"return tt.http.put('{server.url}/digest', {{file = '{big}'}}).body")
    check("bodies: 48 MB from a file arrive whole", sent == hashlib.sha256(content).hexdigest(), sent)
    sent = tt(f"return tt.http.post('{server.url}/digest', {{file = '{big}', file_offset = 1234567, "
              "file_length = 6291456}).body")
    check("bodies: a part of a file", sent == hashlib.sha256(content[1234567:1234567 + 6291456]).hexdigest(), sent)
    saved = folder / "saved"
    result = tt(f"local r = tt.http.get('{server.url}/gzip', {{save = '{saved}', sha256 = true}}) return r.sha256")
    expected = bytes(range(256)) * 4000
    check("bodies: gzip to a file, with its digest",
          result == hashlib.sha256(expected).hexdigest() and saved.read_bytes() == expected, result)
    start = time.monotonic()
    result = tt(f"local r = tt.http.get('{server.url}/later') return {{r.status, r.attempts}}")
    check("retry: an HTTP date in Retry-After is waited for",
          result == [200, 2] and time.monotonic() - start > 0.9, result)


def check_proxy(check, tt, folder):
    ca = str(folder / "ca.pem")
    plain, secure = Server(Handler), Server(Handler, context_of(folder, "here"))
    proxy = Server(Proxy)
    get = "local r = tt.http.get('%s/x', {headers = {apikey = 'k'}, retry = false%s}) " \
          "return {r.status, r.headers['x-proxy'] or ''}"

    def through(name, result, used, forwarded):
        check(name, result == [200, forwarded] and bool(proxy.log) == used, (result, proxy.log))
        proxy.log.clear()

    through("proxy: http_proxy", tt(get % (plain.url, ""), http_proxy=proxy.url), True, "1")
    through("proxy: HTTP_PROXY is not heeded", tt(get % (plain.url, ""), HTTP_PROXY=proxy.url), False, "")
    through("proxy: all_proxy", tt(get % (plain.url, ""), all_proxy=proxy.url), True, "1")
    through("proxy: no_proxy", tt(get % (plain.url, ""), http_proxy=proxy.url, no_proxy="127.0.0.1"), False, "")
    through("proxy: by option", tt(get % (plain.url, f", proxy = '{proxy.url}'")), True, "1")
    through("proxy: none by option", tt(get % (plain.url, ", proxy = ''"), http_proxy=proxy.url), False, "")
    result = tt(get % (secure.url, ""), https_proxy=proxy.url.replace("//", "//user:word@"), SSL_CERT_FILE=ca)
    seen = proxy.log[0] if proxy.log else ("", "", {}, 0)
    through("proxy: https_proxy makes a tunnel", result, True, "")
    check("proxy: it is given the password, and no header of the request",
          seen[0] == "CONNECT" and "Proxy-Authorization" in seen[2] and "apikey" not in seen[2], seen)
    check("proxy: the server is given the header, and no password",
          secure.log[-1][2].get("apikey") == "k" and "Proxy-Authorization" not in secure.log[-1][2], secure.log[-1])
    closed = socket.create_server(("127.0.0.1", 0))
    port = closed.getsockname()[1]
    closed.close()
    result = tt(get % (plain.url, ""), http_proxy=f"http://user:hidden@127.0.0.1:{port}")
    check("proxy: one that is down is an error without its password",
          result["code"] == "http.connect" and "hidden" not in json.dumps(result), result)


def check_http2(check, tt, folder):
    nghttpd = shutil.which("nghttpd") or shutil.which("nghttpd", path="/usr/sbin:/usr/bin")
    if not nghttpd:
        return check.skip("HTTP/2", "nghttpd is not installed (Debian: nghttp2-server)")
    ca = str(folder / "ca.pem")
    site = folder / "site"
    site.mkdir()
    (site / "small").write_bytes(b"small")
    (site / "large").write_bytes(hashlib.sha256(b"x").digest() * (1 << 17))
    free = socket.create_server(("127.0.0.1", 0))
    port = free.getsockname()[1]
    free.close()
    log = (folder / "nghttpd.log").open("w+")
    server = subprocess.Popen([nghttpd, "-v", "--echo-upload", "-a", "127.0.0.1",
                               "-d", str(site), str(port), str(folder / "here.key"), str(folder / "here.pem")],
                              stdout=log, stderr=subprocess.STDOUT)
    try:
        for _ in range(1200):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.05)
        made = f"local c <close> = tt.http.client{{base_url = 'https://127.0.0.1:{port}', ca_file = '{ca}'}} "
        result = tt(made + "local r = c:get('/small') return {r.status, r.http_version, r.body}")
        check("HTTP/2: offered and taken", result == [200, "2", "small"], result)
        log.truncate(0)
        log.seek(0)
        result = tt(made + """local n, versions = 0, {}
            local requests = {} for i = 1, 200 do requests[i] = {url = i % 2 == 0 and '/small' or '/large'} end
            for q, r in c:each(requests, {parallel = 16}) do
                versions[r.http_version] = true
                if #r.body == (q.url == '/small' and 5 or 4194304) then n = n + 1 end
            end
            return {n, next(versions), next(versions, (next(versions))) == nil}""")
        check("HTTP/2: 200 requests, 16 at once", result == [200, "2", True], result)
        log.flush()
        connections = set(re.findall(r"\[id=(\d+)\]", (folder / "nghttpd.log").read_text(errors="replace")))
        check("HTTP/2: all over one connection", len(connections) == 1, connections)
        body = hashlib.sha256(b"y").digest() * 100_000
        (folder / "upload").write_bytes(body)
        result = tt(made + f"return tt.hash.sha256(c:post('/echo', {{file = '{folder}/upload'}}).body)")
        check("HTTP/2: 3 MB there and back", result == hashlib.sha256(body).hexdigest(), result)
        result = tt(made + f"local r = c:get('/large', {{save = '{folder}/large', sha256 = true}}) return r.sha256")
        check("HTTP/2: saved with its digest", result == hashlib.sha256((site / "large").read_bytes()).hexdigest(),
              result)
        result = tt(made + "return c:get('/none').status")
        check("HTTP/2: a status is an answer", result == 404, result)
    finally:
        server.kill()
        server.wait()
        log.close()


def show_speed(tt):
    """Small requests one after the other over one connection, by tt and by Python's own client."""
    server = Server(Handler)
    code = f"""local c <close> = tt.http.client{{base_url = '{server.url}'}} c:get('/0')
        local start = tt.time.monotonic()
        for i = 1, {SMALL_REQUESTS} do c:get('/x') end
        return tt.time.monotonic() - start"""
    ours = tt(code)
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port)

    def get(path):
        connection.request("GET", path)
        connection.getresponse().read()

    get("/0")
    start = time.monotonic()
    for _ in range(SMALL_REQUESTS):
        get("/x")
    theirs = time.monotonic() - start
    print(f"speed: {SMALL_REQUESTS} small requests: tt {SMALL_REQUESTS / ours:.0f}/s, "
          f"Python's http.client in the server's process {SMALL_REQUESTS / theirs:.0f}/s", flush=True)


def main():
    tt = TT(common.parser(__doc__).parse_args().tt)
    check = common.Check()
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        make_certificates(folder)
        check_tls(check, tt, folder)
        check_bodies(check, tt, folder)
        check_proxy(check, tt, folder)
        check_http2(check, tt, folder)
        show_speed(tt)
    return check.close("http_check")


if __name__ == "__main__":
    sys.exit(main())
