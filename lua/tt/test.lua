---@meta tt.test

--- Checks for tests in plain Lua. A test file calls `test.test` and is run by `tt Tests/lua/run.lua`, which counts; run
--- on its own, it stops at the first test that fails.
---
--- ```lua
--- local test = require "tt.test"
--- test.test("addition", function()
---     test.equal(1 + 1, 2)
---     test.near(0.1 + 0.2, 0.3, 1e-12)
---     test.error("attempt to call", function() local f = nil; f() end)
--- end)
--- ```
local test = {}

local counts          -- of the run that collects, or nil
local folders = {}    -- of the running test, removed after it

-- ---- printing values

local function show(value, depth)
    if type(value) == "string" then return string.format("%q", value) end
    if type(value) ~= "table" or getmetatable(value) and getmetatable(value).__tostring then return tostring(value) end
    if depth > 4 then return "{…}" end
    local parts, seen = {}, {}
    for i, element in ipairs(value) do
        if i > 20 then
            parts[#parts + 1] = "…"
            break
        end
        seen[i] = true
        parts[#parts + 1] = show(element, depth + 1)
    end
    local keys = {}
    for key in pairs(value) do
        if not seen[key] and not (math.type(key) == "integer" and key >= 1 and key <= #value) then
            keys[#keys + 1] = key
        end
    end
    table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
    for _, key in ipairs(keys) do
        local name = type(key) == "string" and key or "[" .. tostring(key) .. "]"
        parts[#parts + 1] = name .. " = " .. show(value[key], depth + 1)
    end
    return "{" .. table.concat(parts, ", ") .. "}"
end

local function fail(message, note)
    error((note and note .. ": " or "") .. message, 3)
end

-- ---- comparing values

local function is_nan(value) return value ~= value end

-- Nil, or where two values differ: a path and both.
local function difference(a, b, path)
    if rawequal(a, b) and math.type(a) == math.type(b) or is_nan(a) and is_nan(b) then return nil end
    if type(a) == "table" and type(b) == "table" then
        for key, value in pairs(a) do
            local found = difference(value, b[key], path .. "[" .. show(key, 0) .. "]")
            if found then return found end
        end
        for key, value in pairs(b) do
            if a[key] == nil then return path .. "[" .. show(key, 0) .. "] is nil, expected " .. show(value, 0) end
        end
        return nil
    end
    if a == b and math.type(a) == math.type(b) then return nil end
    return (path ~= "" and "at " .. path .. ": " or "") .. "got " .. show(a, 0) .. ", expected " .. show(b, 0)
end

--- Checks that two values are equal: numbers in value and kind (1 is not 1.0; NaN equals NaN), tables by content.
---@param actual any
---@param expected any
---@param note? string goes before the message of a failure
---
--- ```lua
--- require("tt.test").equal({1, {a = "x"}}, {1, {a = "x"}})
--- ```
function test.equal(actual, expected, note)
    local found = difference(actual, expected, "")
    if found then fail(found, note) end
end

local function far(a, b, tolerance, path)
    if type(a) == "table" and type(b) == "table" then
        if #a ~= #b then return path .. " has " .. #a .. " elements, expected " .. #b end
        for key, value in pairs(b) do
            local found = far(a[key], value, tolerance, path .. "[" .. tostring(key) .. "]")
            if found then return found end
        end
        return nil
    end
    if type(a) == "number" and type(b) == "number" then
        if a == b or is_nan(a) and is_nan(b) or math.abs(a - b) <= tolerance then return nil end
        return path .. ": got " .. a .. ", expected " .. b .. " within " .. tolerance
    end
    return difference(a, b, path)
end

--- Checks that numbers, or tables of numbers, are near each other.
---@param actual number|table
---@param expected number|table
---@param tolerance? number largest absolute difference, default 1e-6
---@param note? string goes before the message of a failure
---
--- ```lua
--- require("tt.test").near({1.0, 2.0}, {1.0, 2.0 + 1e-9})
--- ```
function test.near(actual, expected, tolerance, note)
    local found = far(actual, expected, tolerance or 1e-6, "")
    if found then fail(found, note) end
end

--- Checks that a value is neither nil nor false, and returns it.
---@generic T
---@param value T
---@param note? string
---@return T
---
--- ```lua
--- require("tt.test").ok(("text"):find "x")
--- ```
function test.ok(value, note)
    if not value then fail("got " .. tostring(value), note) end
    return value
end

--- Checks that a call raises, and returns what it raised.
---@param expected string the error object's code, or a Lua pattern or plain text found in its message
---@param fn function
---@param ... any arguments of `fn`
---@return any raised
---
--- ```lua
--- local test = require "tt.test"
--- local raised = test.error("my.code", function() tt.error("my.code", "it broke", {row = 3}) end)
--- test.equal(raised.details.row, 3)
--- test.error("it broke", tt.error, "my.code", "it broke")
--- ```
function test.error(expected, fn, ...)
    local ok, raised = pcall(fn, ...)
    if ok then fail("no error was raised, expected '" .. expected .. "'") end
    if type(raised) == "table" and raised.code == expected then return raised end
    local message = tostring(raised)
    if message:find(expected, 1, true) or message:find(expected) then return raised end
    local code = type(raised) == "table" and raised.code
    fail("raised '" .. message .. "'" .. (code and " with code '" .. tostring(code) .. "'" or "")
        .. ", expected '" .. expected .. "'")
end

-- ---- folders

local function quote(path) return "'" .. path:gsub("'", "'\\''") .. "'" end

--- Makes a temporary folder that is removed after the running test.
---@return string path absolute
---
--- ```lua
--- local test = require "tt.test"
--- test.test("a file", function()
---     local file = assert(io.open(test.tmpdir() .. "/x", "w"))
---     file:close()
--- end)
--- ```
function test.tmpdir()
    local pipe = assert(io.popen("mktemp -d"))
    local path = pipe:read("l")
    pipe:close()
    if not path then error("mktemp made no folder", 2) end
    folders[#folders + 1] = path
    return path
end

local function remove_folders()
    for i = #folders, 1, -1 do
        os.execute("rm -rf " .. quote(folders[i]))
        folders[i] = nil
    end
end

-- ---- running

local skip_mark = {}

--- Ends the running test as skipped.
---@param reason string
---
--- ```lua
--- local test = require "tt.test"
--- test.test("needs a server", function() test.skip("no server here") end)
--- ```
function test.skip(reason)
    error(setmetatable({reason = reason}, skip_mark), 0)
end

local function handler(raised)
    if getmetatable(raised) == skip_mark then return raised end
    if type(raised) == "table" and raised.traceback then return tostring(raised) .. "\n" .. raised.traceback end
    return debug.traceback(tostring(raised), 2)
end

-- Runs the body of a test, with folders of its own.
local function run(fn)
    local outer = folders
    folders = {}
    local _ <close> = setmetatable({}, { __close = function()
        remove_folders()
        folders = outer
    end })
    return xpcall(fn, handler)
end

--- Runs one test. Under `Tests/lua/run.lua` a failure is printed and counted; otherwise it is raised.
---@param name string
---@param fn function
---
--- ```lua
--- require("tt.test").test("nothing fails", function() end)
--- ```
function test.test(name, fn)
    local ok, raised = run(fn)
    local skipped = not ok and getmetatable(raised) == skip_mark
    if not counts then
        if skipped then
            print("skipped: " .. name .. ": " .. raised.reason)
        elseif not ok then
            error("test '" .. name .. "' failed: " .. raised, 0)
        end
    elseif skipped then
        counts.skipped = counts.skipped + 1
        print("skipped: " .. name .. ": " .. raised.reason)
    elseif ok then
        counts.passed = counts.passed + 1
    else
        counts.failed = counts.failed + 1
        print("FAILED: " .. name .. "\n    " .. raised:gsub("\n", "\n    "))
    end
end

--- Runs a function and counts the tests in it. An error outside of any test counts as a failed one.
---@param fn function
---@return {passed: integer, failed: integer, skipped: integer} counts
---
--- ```lua
--- local test = require "tt.test"
--- local counts = test.collect(function() test.test("one", function() end) end)
--- assert(counts.passed == 1 and counts.failed == 0)
--- ```
function test.collect(fn)
    local outer = counts
    local mine = {passed = 0, failed = 0, skipped = 0}
    counts = mine
    local ok, raised = xpcall(fn, handler)
    counts = outer
    if not ok then
        mine.failed = mine.failed + 1
        local text = getmetatable(raised) == skip_mark and "skip outside of a test" or raised
        print("FAILED: outside of any test\n    " .. text:gsub("\n", "\n    "))
    end
    return mine
end

return test
