---@meta tt.hash

-- SHA-256 of bytes, files and columns.

---@class tt.hash
local hash = {}

--- Computes the SHA-256 of bytes.
---
--- ```lua
--- assert(tt.hash.sha256("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
--- ```
---@param bytes string
---@return string hex 64 lower-case hexadecimal digits
function hash.sha256(bytes) end

--- Computes the SHA-256 of a file's content, whatever its size.
---
--- ```lua
--- tt.fs.write("a.txt", "abc")
--- assert(tt.hash.sha256_file("a.txt") == tt.hash.sha256("abc"))
--- ```
---
--- Raises `fs.not_found`, `fs.denied`, `fs.failed`.
---@param path string
---@return string hex 64 lower-case hexadecimal digits
function hash.sha256_file(path) end

--- Computes the SHA-256 of every row's text in one call. A uuid counts as its canonical text, null stays null.
---
--- ```lua
--- local column = tt.frame.column({ "abc", "" }, "string")
--- assert(tt.hash.sha256_column(column)[1] == tt.hash.sha256("abc"))
--- ```
---
--- Raises `frame.type` for a column that is neither string nor uuid.
---@param column tt.Column string or uuid, n rows
---@return tt.Column hex string, n rows of 64 lower-case hexadecimal digits
function hash.sha256_column(column) end

return hash
