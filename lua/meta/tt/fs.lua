---@meta tt.fs

-- Files and folders. Errors name the path: `fs.not_found`, `fs.denied`, `fs.failed`.

---@class tt.fs
local fs = {}

---@class tt.fs.Status
---@field kind "file"|"folder"|"link"|"other"
---@field size integer bytes
---@field modified integer microseconds since 1970, UTC
---@field mode integer permission bits

---@class tt.TemporaryFolder
---@field path string
local TemporaryFolder = {}

---@class tt.FileLock
---@field path string
local FileLock = {}

--- Reads a whole file.
---
--- ```lua
--- tt.fs.write("a.txt", "abc")
--- assert(tt.fs.read("a.txt") == "abc")
--- ```
---
--- Raises `fs.not_found`, `fs.denied`, `fs.failed`, `memory`.
---@param path string
---@return string bytes
function fs.read(path) end

--- Writes a whole file: beside its target first, flushed, then renamed, so that it is never there in part.
---
--- ```lua
--- tt.fs.mkdir("whole")
--- tt.fs.write("whole/a.txt", "abc")
--- assert(#tt.fs.list("whole") == 1)
--- ```
---
--- Raises `fs.not_found` for a missing folder, `fs.denied`, `fs.failed`.
---@param path string
---@param bytes string
function fs.write(path, bytes) end

--- Adds to the end of a file, which is made if there is none. The bytes are on disk when the call returns; what a
--- failure leaves of them is taken away again.
---
--- ```lua
--- tt.fs.append("notes.txt", "one\n")
--- tt.fs.append("notes.txt", "two\n")
--- assert(tt.fs.read("notes.txt") == "one\ntwo\n")
--- ```
---
--- Raises `fs.not_found` for a missing folder, `fs.denied`, `fs.failed`.
---@param path string
---@param bytes string
function fs.append(path, bytes) end

--- Cuts a file to its first bytes, on disk when the call returns. A file that is not longer stays as it is.
---
--- ```lua
--- tt.fs.write("notes.txt", "one\ntw")
--- tt.fs.truncate("notes.txt", 4)
--- assert(tt.fs.read("notes.txt") == "one\n")
--- ```
---
--- Raises `fs.not_found`, `fs.denied`, `fs.failed`.
---@param path string
---@param size integer bytes
function fs.truncate(path, size) end

--- Locks a file against others that lock it, until the lock is closed or the process ends, even by a kill. The file is
--- made if there is none and stays. Those who do not ask for the lock are not hindered.
---
--- ```lua
--- local lock <close> = tt.fs.lock("work.lock")
--- local ok, problem = pcall(tt.fs.lock, "work.lock")
--- assert(not ok and problem.code == "fs.locked")
--- ```
---
--- Raises `fs.locked` at once when the file is locked, naming the process where that is known; `fs.not_found`,
--- `fs.denied`, `fs.failed`.
---@param path string
---@return tt.FileLock lock
function fs.lock(path) end

--- Lets the file go. Closing twice is fine; a lock in a `<close>` variable closes itself.
---
--- ```lua
--- local lock = tt.fs.lock("work.lock")
--- lock:close()
--- tt.fs.lock("work.lock"):close()
--- ```
function FileLock:close() end

--- Tells whether a file or folder of this name is there.
---
--- ```lua
--- assert(tt.fs.exists(".") and not tt.fs.exists("no such file"))
--- ```
---@param path string
---@return boolean
function fs.exists(path) end

--- Makes a folder and those above it; one that is there already is fine.
---
--- ```lua
--- tt.fs.mkdir("a/b/c")
--- assert(tt.fs.stat("a/b/c").kind == "folder")
--- ```
---
--- Raises `fs.denied`, `fs.failed`.
---@param path string
function fs.mkdir(path) end

--- Removes a file, a link or an empty folder.
---
--- ```lua
--- tt.fs.mkdir("a/b")
--- assert(tt.fs.remove("a", { tree = true }) == true)
--- assert(tt.fs.remove("a") == false)
--- ```
---
--- Raises `fs.denied`, `fs.failed`.
---@param path string
---@param opts? { tree?: boolean } tree: a folder with everything in it; links are not followed (default: false)
---@return boolean removed false when nothing of this name was there
function fs.remove(path, opts) end

--- Lists the names in a folder in byte order, those that start with a dot too.
---
--- ```lua
--- tt.fs.mkdir("names")
--- tt.fs.write("names/b.txt", "")
--- tt.fs.write("names/a.txt", "")
--- assert(table.concat(tt.fs.list("names"), " ") == "a.txt b.txt")
--- ```
---
--- Raises `fs.not_found`, `fs.denied`, `fs.failed`.
---@param path string
---@return string[] names
function fs.list(path) end

--- Finds the paths that match a shell pattern: `*`, `?`, `[a-z]`, `{a,b}`.
---
--- ```lua
--- tt.fs.write("a.csv", "")
--- tt.fs.write("b.txt", "")
--- assert(table.concat(tt.fs.glob("*.csv"), " ") == "a.csv")
--- ```
---
--- Raises `fs.failed`.
---@param pattern string
---@return string[] paths in byte order; empty when none matches
function fs.glob(pattern) end

--- Tells what a path is.
---
--- ```lua
--- tt.fs.write("a.txt", "abc")
--- assert(tt.fs.stat("a.txt").size == 3 and tt.fs.stat("no such file") == nil)
--- ```
---
--- Raises `fs.denied`, `fs.failed`.
---@param path string
---@param opts? { follow?: boolean } follow: look at what a link points to, not at the link (default: true)
---@return tt.fs.Status? status nil when nothing of this name is there
function fs.stat(path, opts) end

--- Renames a file or folder, over a file of the new name.
---
--- ```lua
--- tt.fs.write("a.txt", "abc")
--- tt.fs.rename("a.txt", "b.txt")
--- assert(tt.fs.read("b.txt") == "abc" and not tt.fs.exists("a.txt"))
--- ```
---
--- Raises `fs.not_found`, `fs.denied`, `fs.failed`.
---@param path string
---@param target string
function fs.rename(path, target) end

--- Copies a file with its permissions; the target appears whole or not at all.
---
--- ```lua
--- tt.fs.write("a.txt", "abc")
--- tt.fs.copy("a.txt", "b.txt")
--- assert(tt.fs.read("b.txt") == "abc")
--- ```
---
--- Raises `fs.not_found`, `fs.denied`, `fs.failed`.
---@param path string
---@param target string
function fs.copy(path, target) end

--- Makes a new empty folder that is removed with everything in it, at the end of a `<close>` variable's block or when
--- nothing refers to it any more.
---
--- ```lua
--- local path
--- do
---     local folder <close> = tt.fs.tempdir()
---     path = folder.path
---     tt.fs.write(tt.fs.join(path, "a.txt"), "abc")
--- end
--- assert(not tt.fs.exists(path))
--- ```
---
--- Raises `fs.denied`, `fs.failed`.
---@return tt.TemporaryFolder folder
function fs.tempdir() end

--- Removes the folder now. Closing twice is fine.
---
--- ```lua
--- local folder = tt.fs.tempdir()
--- folder:close()
--- assert(not tt.fs.exists(folder.path))
--- ```
---
--- Raises `fs.denied`, `fs.failed`.
function TemporaryFolder:close() end

--- Joins parts of a path with `/`; an absolute part starts over, empty parts are left out.
---
--- ```lua
--- assert(tt.fs.join("a", "b/", "c.txt") == "a/b/c.txt")
--- assert(tt.fs.join("a", "/b") == "/b")
--- ```
---@param ... string
---@return string path
function fs.join(...) end

--- Gives the last part of a path.
---
--- ```lua
--- assert(tt.fs.basename("a/b.txt") == "b.txt")
--- ```
---@param path string
---@return string name
function fs.basename(path) end

--- Gives the folder part of a path.
---
--- ```lua
--- assert(tt.fs.dirname("a/b.txt") == "a" and tt.fs.dirname("b.txt") == ".")
--- ```
---@param path string
---@return string folder
function fs.dirname(path) end

--- Gives a path from the root, without `.` and `..`; links are not looked up and nothing need be there.
---
--- ```lua
--- assert(tt.fs.abspath("/a/./b/../c") == "/a/c")
--- assert(tt.fs.abspath("x"):sub(1, 1) == "/")
--- ```
---
--- Raises `fs.failed` when the current folder is gone.
---@param path string
---@return string path
function fs.abspath(path) end

return fs
