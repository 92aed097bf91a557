---@meta tt.http

-- HTTP requests by libcurl, which is loaded when the first client is made. A status is never an error: `response.ok`
-- tells. Errors are for requests that got no answer, after all tries: `http.url`, `http.resolve`, `http.connect`,
-- `http.tls`, `http.timeout`, `http.incomplete` (the connection broke before the answer was whole), `http.too_large`,
-- `http.redirect`, `http.failed`; their details are `method`, `url` and `attempts`. What cannot be sent at all raises
-- `http.header`, `http.file` (a file does not hold what is to be sent), `http.closed`, `http.library`.
--
-- No message shows a header's value, a URL's user and password, or the value of a query key that names a secret
-- (`apikey`, `token`, `signature`, …).
--
-- The environment is heeded as by curl: `http_proxy` (lower case only), `https_proxy`, `all_proxy`, `no_proxy` for
-- proxies; `CURL_CA_BUNDLE`, `SSL_CERT_FILE`, `SSL_CERT_DIR` for the certificates to trust in place of the system's.

---@class tt.http
local http = {}

---@class tt.HTTPRetry
---@field attempts? integer all tries together, the first one too (default: 6)
---@field base_s? number upper end of the first pause (default: 0.5); each further one is twice as long
---@field max_s? number upper end of every pause (default: 30). Pauses are drawn between 0 and their upper end
---@field statuses? integer[] answers that are worth another try (default: 429, 500, 502, 503, 504)
---@field max_wait_s? number longest pause a server may ask for by `Retry-After`; where it asks for more, its answer is
--- given as it is (default: 120)

---@class tt.HTTPNotice
---@field method string
---@field url string without secrets
---@field attempt integer the try that failed, from 1
---@field status? integer of its answer
---@field code? string of its error, when there was no answer
---@field message? string of its error
---@field wait_s number the pause that follows

---@class tt.HTTPClientOptions
---@field base_url? string goes before URLs that are not absolute
---@field headers? table<string, string> sent with each request; dropped when a redirect leads to another origin
---@field timeout_s? number for one try from start to end (default: 60). While the script does something else between
--- two answers of `client:each`, no time limit runs
---@field connect_timeout_s? number (default: 10)
---@field idle_timeout_s? number without a byte either way once connected (default: 30)
---@field max_body? integer bytes of a decoded body kept in memory (default: 256 MiB)
---@field redirects? integer how many are followed; 0 gives them as answers (default: 5). Another origin gets none of
--- the client's headers, and of a request's only what describes its body or the wanted answer (`Accept`,
--- `Content-Type`, …)
---@field retry? tt.HTTPRetry|boolean false: every request is tried once
---@field on_retry? fun(notice: tt.HTTPNotice) called before the pause that goes before another try
---@field http2? boolean offer HTTP/2 over TLS (default: true)
---@field user_agent? string (default: tt and its version)
---@field ca_file? string PEM file of the certificates to trust, in place of all others
---@field proxy? string in place of those of the environment; "" for none

---@class tt.HTTPRequestOptions
---@field query? table {{"a", 1}, {"b", 2}} keeps its order, {a = 1} is sorted; appended to the URL
---@field headers? table<string, string> replace those of the client of the same name
---@field body? string bytes to send
---@field json? any value to send as JSON
---@field form? table pairs to send as a web form, as in `query`
---@field file? string file to send; read while it is sent
---@field file_offset? integer where in the file to begin (default: 0)
---@field file_length? integer bytes to send (default: to the end)
---@field save? string file for the body of a 2xx answer: written beside, flushed, renamed when whole; `response.body`
--- is nil then. Another answer has its body in memory and leaves the file as it was
---@field sha256? boolean compute `response.sha256`
---@field timeout_s? number as the client's
---@field idle_timeout_s? number as the client's
---@field max_body? integer as the client's
---@field redirects? integer as the client's
---@field retry? tt.HTTPRetry|boolean what differs from the client's; false: one try
---@field idempotent? boolean whether repeating the request does no harm (default: GET, HEAD, PUT, DELETE, OPTIONS).
--- Others are repeated only when the connection failed before anything was sent
---@field retry_when? fun(response: tt.HTTPResponse): boolean? asked about each answer that is not 2xx while tries are
--- left: true repeats, false does not, nil leaves it to `statuses` and `idempotent`
---@field tag? any the script's own, for `client:each`

---@class tt.HTTPRequest: tt.HTTPRequestOptions
---@field method? string upper case (default: "GET")
---@field url string absolute, or put behind the client's `base_url`

---@class tt.HTTPResponse
---@field status integer
---@field ok boolean whether the status is 2xx
---@field headers table<string, string> names in lower case; lines of one name are joined by ", ", cookies by line
--- breaks
---@field body? string decoded bytes, made into a Lua string by each access; nil when saved to a file
---@field url string of the last request, after redirects
---@field http_version "1.0"|"1.1"|"2"
---@field seconds number what the last try took
---@field attempts integer
---@field sha256? string hexadecimal, of the decoded body, when asked for
local HTTPResponse = {}

--- Keeps connections for requests to come; they are closed with it.
---@class tt.HTTPClient
local HTTPClient = {}

--- Answers as they come, called by the loop over them.
---@class tt.HTTPAnswers
local HTTPAnswers = {}

--- Makes a client, which keeps connections open between requests, speaks HTTP/2 where it is offered, and takes gzip,
--- brotli and zstd.
---
--- ```lua
--- local client <close> = tt.http.client {
---     base_url = "http://127.0.0.1:1",
---     headers = { apikey = "secret" },
---     retry = { attempts = 2, base_s = 0.01 },
---     on_retry = function(notice) assert(notice.code == "http.connect" and notice.attempt == 1) end,
--- }
--- local ok, problem = pcall(client.get, client, "/items?token=secret")
--- assert(not ok and problem.code == "http.connect" and problem.details.attempts == 2)
--- assert(problem.details.url == "http://127.0.0.1:1/items?token=***")
--- ```
---
--- Raises `http.library` when libcurl is not installed, `http.header` for a header that cannot be sent.
---@param opts? tt.HTTPClientOptions
---@return tt.HTTPClient client
function http.client(opts) end

--- Makes one request by a client of its own. For several, `http.client` keeps their connection.
---
--- ```lua
--- local ok, problem = pcall(tt.http.request, { method = "PUT", url = "http://127.0.0.1:1", body = "x", retry = false
--- }) assert(not ok and problem.code == "http.connect")
--- ```
---
--- Raises the errors of the module.
---@param spec tt.HTTPRequest with `connect_timeout_s`, `on_retry`, `http2`, `user_agent`, `ca_file` and `proxy` of a
--- client
---@return tt.HTTPResponse response
function http.request(spec) end

--- Makes one GET request by a client of its own.
---
--- ```lua
--- local ok, problem = pcall(tt.http.get, "ftp://example.com/file")
--- assert(not ok and problem.code == "http.url")
--- ```
---
--- Raises the errors of the module.
---@param url string absolute
---@param opts? tt.HTTPRequestOptions with `connect_timeout_s`, `on_retry`, `http2`, `user_agent`, `ca_file` and
--- `proxy` of a client
---@return tt.HTTPResponse response
function http.get(url, opts) end

--- Makes one HEAD request by a client of its own.
---
--- ```lua
--- local ok, problem = pcall(tt.http.head, "http://127.0.0.1:1", { retry = false })
--- assert(not ok and problem.code == "http.connect")
--- ```
---
--- Raises the errors of the module.
---@param url string absolute
---@param opts? tt.HTTPRequestOptions as for `http.get`
---@return tt.HTTPResponse response
function http.head(url, opts) end

--- Makes one POST request by a client of its own.
---
--- ```lua
--- local ok, problem = pcall(tt.http.post, "http://127.0.0.1:1", { json = { a = 1 }, retry = false })
--- assert(not ok and problem.details.method == "POST")
--- ```
---
--- Raises the errors of the module.
---@param url string absolute
---@param opts? tt.HTTPRequestOptions as for `http.get`
---@return tt.HTTPResponse response
function http.post(url, opts) end

--- Makes one PUT request by a client of its own.
---
--- ```lua
--- local ok, problem = pcall(tt.http.put, "http://127.0.0.1:1", { file = "no such file" })
--- assert(not ok and problem.code == "fs.not_found")
--- ```
---
--- Raises the errors of the module.
---@param url string absolute
---@param opts? tt.HTTPRequestOptions as for `http.get`
---@return tt.HTTPResponse response
function http.put(url, opts) end

--- Makes one PATCH request by a client of its own.
---
--- ```lua
--- local ok, problem = pcall(tt.http.patch, "http://127.0.0.1:1", { form = { a = 1 }, retry = false })
--- assert(not ok and problem.details.method == "PATCH")
--- ```
---
--- Raises the errors of the module.
---@param url string absolute
---@param opts? tt.HTTPRequestOptions as for `http.get`
---@return tt.HTTPResponse response
function http.patch(url, opts) end

--- Makes one DELETE request by a client of its own.
---
--- ```lua
--- local ok, problem = pcall(tt.http.delete, "http://127.0.0.1:1", { retry = false })
--- assert(not ok and problem.details.method == "DELETE")
--- ```
---
--- Raises the errors of the module.
---@param url string absolute
---@param opts? tt.HTTPRequestOptions as for `http.get`
---@return tt.HTTPResponse response
function http.delete(url, opts) end

--- Encodes a text for any place in a URL: all bytes but letters, digits, `-`, `.`, `_` and `~` as `%XX`.
---
--- ```lua
--- assert(tt.http.escape("a b/é") == "a%20b%2F%C3%A9")
--- ```
---@param text string
---@return string escaped
function http.escape(text) end

--- Encodes pairs as a URL's query.
---
--- ```lua
--- assert(tt.http.query { { "b", 2 }, { "a", "x y" } } == "b=2&a=x%20y")
--- assert(tt.http.query { limit = 10, after = "é" } == "after=%C3%A9&limit=10")
--- ```
---@param pairs table pairs in their order, or a table by name, which is sorted
---@return string query
function http.query(pairs) end

--- Makes a request and waits for its answer. A request is tried again, after a pause, when the connection fails or
--- breaks, when a time limit passes, and for the answers of `retry.statuses`: if repeating it does no harm. What the
--- server says by `Retry-After` is heeded.
---
--- ```lua
--- local client <close> = tt.http.client { base_url = "http://127.0.0.1:1", retry = false }
--- local ok, problem = pcall(client.request, client, { method = "OPTIONS", url = "/items" })
--- assert(not ok and problem.code == "http.connect" and problem.details.method == "OPTIONS")
--- ```
---
--- Raises the errors of the module, `http.closed` by a closed client, `fs.*` for files to send and to save.
---@param spec tt.HTTPRequest
---@return tt.HTTPResponse response
function HTTPClient:request(spec) end

--- Makes a GET request.
---
--- ```lua
--- local client <close> = tt.http.client { base_url = "http://127.0.0.1:1", retry = false }
--- assert(not pcall(client.get, client, "/items", { query = { limit = 10 }, save = "items.json" }))
--- assert(not tt.fs.exists("items.json"))
--- ```
---
--- Raises as `client:request`.
---@param url string
---@param opts? tt.HTTPRequestOptions
---@return tt.HTTPResponse response
function HTTPClient:get(url, opts) end

--- Makes a HEAD request.
---
--- ```lua
--- local client <close> = tt.http.client { base_url = "http://127.0.0.1:1", retry = false }
--- assert(not pcall(client.head, client, "/items"))
--- ```
---
--- Raises as `client:request`.
---@param url string
---@param opts? tt.HTTPRequestOptions
---@return tt.HTTPResponse response
function HTTPClient:head(url, opts) end

--- Makes a POST request.
---
--- ```lua
--- local client <close> = tt.http.client { base_url = "http://127.0.0.1:1", retry = false }
--- assert(not pcall(client.post, client, "/items", { json = { name = "x" } }))
--- ```
---
--- Raises as `client:request`.
---@param url string
---@param opts? tt.HTTPRequestOptions
---@return tt.HTTPResponse response
function HTTPClient:post(url, opts) end

--- Makes a PUT request.
---
--- ```lua
--- tt.fs.write("a.bin", "0123456789")
--- local client <close> = tt.http.client { base_url = "http://127.0.0.1:1", retry = false }
--- assert(not pcall(client.put, client, "/a", { file = "a.bin", file_offset = 2, file_length = 4 }))
--- ```
---
--- Raises as `client:request`.
---@param url string
---@param opts? tt.HTTPRequestOptions
---@return tt.HTTPResponse response
function HTTPClient:put(url, opts) end

--- Makes a PATCH request.
---
--- ```lua
--- local client <close> = tt.http.client { base_url = "http://127.0.0.1:1", retry = false }
--- assert(not pcall(client.patch, client, "/items", { json = { name = "x" } }))
--- ```
---
--- Raises as `client:request`.
---@param url string
---@param opts? tt.HTTPRequestOptions
---@return tt.HTTPResponse response
function HTTPClient:patch(url, opts) end

--- Makes a DELETE request.
---
--- ```lua
--- local client <close> = tt.http.client { base_url = "http://127.0.0.1:1", retry = false }
--- assert(not pcall(client.delete, client, "/items/1"))
--- ```
---
--- Raises as `client:request`.
---@param url string
---@param opts? tt.HTTPRequestOptions
---@return tt.HTTPResponse response
function HTTPClient:delete(url, opts) end

--- Makes requests with several under way at once; a loop gets each with its answer as it comes. A request without an
--- answer raises its error in the loop. Leaving the loop aborts what is under way.
---
--- ```lua
--- local client <close> = tt.http.client { base_url = "http://127.0.0.1:1", retry = false }
--- local requests = {}
--- for page = 1, 8 do requests[page] = { url = "/items", query = { page = page }, tag = page } end
--- local ok, problem = pcall(function()
---     for request, response in client:each(requests, { parallel = 4 }) do print(request.tag, response.status) end
--- end)
--- assert(not ok and problem.code == "http.connect")
--- ```
---
--- Raises as `client:request`, in the loop.
---@param requests tt.HTTPRequest[]|fun(): tt.HTTPRequest? a list, or what gives the next one when there is room; nil
--- ends
---@param opts? { parallel?: integer } parallel: requests under way at most, 1 to 256 (default: 4)
---@return tt.HTTPAnswers answers for a generic `for`: the request table as it was given, its response
function HTTPClient:each(requests, opts) end

--- Closes all connections. Closing twice is fine.
---
--- ```lua
--- local client = tt.http.client()
--- client:close()
--- local ok, problem = pcall(client.get, client, "http://127.0.0.1:1")
--- assert(not ok and problem.code == "http.closed")
--- ```
function HTTPClient:close() end

--- Aborts what is under way, as leaving the loop does.
---
--- ```lua
--- local client <close> = tt.http.client()
--- local answers = client:each { { url = "http://127.0.0.1:1" } }
--- answers:close()
--- assert(answers() == nil)
--- ```
function HTTPAnswers:close() end

--- Decodes the body as JSON.
---
--- ```lua
--- local function names(client)
---     local response = client:get("/items")
---     return response.ok and response:json() or {}
--- end
--- local client <close> = tt.http.client { base_url = "http://127.0.0.1:1", retry = false }
--- assert(not pcall(names, client))
--- ```
---
--- Raises `json.*` for a body that is no JSON, `http.no_body` when it was saved to a file.
---@return any value nil for JSON's null
function HTTPResponse:json() end

return http
